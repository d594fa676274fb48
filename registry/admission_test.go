package registry

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

func TestAFloodOfWritesIsBoundedAndOrdered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission()
		var under []func()
		for range underWayMax {
			leave, err := a.enter(t.Context())
			require.NoError(t, err)
			under = append(under, leave)
		}
		turns := make(chan int, waitingMax)
		for i := range waitingMax {
			go func() {
				leave, err := a.enter(t.Context())
				if err == nil {
					turns <- i
					leave()
				}
			}()
			synctest.Wait() // the i-th stands in line before the next comes
		}
		_, err := a.enter(t.Context())
		require.ErrorIs(t, err, api.ErrOverloaded)

		under[0]()
		for i := range waitingMax {
			require.Equal(t, i, <-turns)
		}
		require.Zero(t, a.waiting.Load())
		require.Equal(t, uint64(1), a.refused.Load())
	})
}

func TestWhoGivesUpWaitingWasNotApplied(t *testing.T) {
	a := newAdmission()
	for range underWayMax {
		_, err := a.enter(t.Context())
		require.NoError(t, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := a.enter(ctx)
	require.ErrorIs(t, err, api.ErrOverloaded)
	require.True(t, api.ErrorOf(err).Retryable())
}

// What keeps and ends terms never stands in line; what clients write always does.
func TestEveryCommandHasItsPlaceInLine(t *testing.T) {
	for _, c := range state.Commands() {
		switch c.(type) {
		case state.OpenSession, state.ChangeEdges, state.ChangeSpare, state.DeleteEdge, state.GrantLease, state.ReleaseLease,
			state.PutCheckpoint:
			require.False(t, urgent(c), "%T", c)
		default:
			require.True(t, urgent(c), "%T", c)
		}
	}
}
