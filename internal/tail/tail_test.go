package tail_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/internal/tail"
)

func TestTheEndIsKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kept := &tail.Tail{Max: rapid.IntRange(0, 40).Draw(t, "max")}
		var all []string
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 50)).Draw(t, "sizes") {
			all = append(all, strings.Repeat("x", n)+"\n")
			n, err := fmt.Fprint(kept, all[len(all)-1])
			require.NoError(t, err)
			require.Equal(t, len(all[len(all)-1]), n)
		}
		want, from := "", len(all)
		for from > 0 && len(want)+len(all[from-1]) <= kept.Max {
			from--
			want = all[from] + want
		}
		require.Equal(t, want, string(kept.Bytes()))
	})
}

func TestWritesDoNotShareMemory(t *testing.T) {
	kept := &tail.Tail{Max: 10}
	b := []byte("abc")
	_, err := kept.Write(b)
	require.NoError(t, err)
	b[0] = 'x'
	require.Equal(t, "abc", string(kept.Bytes()))
	require.Implements(t, (*io.Writer)(nil), kept)
}
