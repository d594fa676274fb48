package node

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMarkIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m mark
		m.move(5)
		require.NoError(t, m.wait(t.Context(), 5))
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- m.wait(t.Context(), 7) }()
		}
		synctest.Wait()
		m.move(6)
		m.move(3) // never falls
		synctest.Wait()
		require.Empty(t, done)
		m.move(8)
		require.NoError(t, <-done)
		require.NoError(t, <-done)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, m.wait(ctx, 9), context.DeadlineExceeded)
	})
}
