package fence_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fence"
)

func TestStaleAgainstIsStrict(t *testing.T) {
	require.True(t, fence.Epoch(1).StaleAgainst(2))
	require.False(t, fence.Epoch(2).StaleAgainst(2))
	require.False(t, fence.Epoch(3).StaleAgainst(2))
	require.True(t, fence.Epoch(0).IsZero())
	require.Panics(t, func() { fence.Epoch(math.MaxUint64).Next() })
}

// A guard's current epoch is the maximum of what it admitted, and it refuses exactly what lies below it.
func TestGuardAdmitsOnlyUpwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g fence.Guard
		var highest fence.Epoch
		for _, e := range rapid.SliceOf(rapid.Uint64Range(0, 9)).Draw(t, "epochs") {
			err := g.Admit(fence.Epoch(e))
			if fence.Epoch(e) < highest {
				require.ErrorIs(t, err, fence.ErrFenced)
			} else {
				require.NoError(t, err)
				highest = fence.Epoch(e)
			}
			require.Equal(t, highest, g.Current)
		}
	})
}

func ExampleGuard() {
	var store fence.Guard
	fmt.Println(store.Admit(4)) // the first writer
	fmt.Println(store.Admit(7)) // its replacement
	fmt.Println(errors.Is(store.Admit(4), fence.ErrFenced))
	// Output:
	// <nil>
	// <nil>
	// true
}
