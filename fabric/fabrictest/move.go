package fabrictest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// testMove has the sides of a spare say what they have to: each word wakes the other side, stays, and does no harm when it is said
// again.
func testMove(t *testing.T, newPair Factory) {
	r := newBareRig(t, newPair, Config(fabric.CapacityMin))
	wanted := func() bool {
		ok, err := r.p.MoveWanted()
		require.NoError(t, err)
		return ok
	}
	active := func() bool {
		ok, err := r.c.Active()
		require.NoError(t, err)
		return ok
	}
	require.False(t, wanted())
	require.False(t, active())
	saying := make(chan error, 1)
	go func() { saying <- r.p.Wait(r.ctx) }() // is woken, whenever it begins
	require.NoError(t, r.c.WantMove())
	require.NoError(t, <-saying)
	r.await(r.p, "the consumer's wish", wanted)
	require.False(t, active())

	go func() { saying <- r.c.Wait(r.ctx) }()
	require.NoError(t, r.p.Activate())
	require.NoError(t, <-saying)
	r.await(r.c, "the activation", active)

	require.NoError(t, r.p.Activate())
	require.NoError(t, r.c.WantMove())
	r.push([]byte("after the move"))
	r.flush()
	require.Equal(t, "after the move", string(r.pop()))
	require.True(t, wanted())
	require.True(t, active())
}

// testMoveUnasked has a side that does not care for the other's word wait in peace all the same.
func testMoveUnasked(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	require.NoError(t, r.c.WantMove())
	require.NoError(t, r.p.Activate())
	r.push([]byte("first"))
	r.flush()
	require.Equal(t, "first", string(r.pop()))
	for _, w := range []waiter{r.p, r.c} {
		ctx, cancel := context.WithTimeout(r.ctx, 50*time.Millisecond)
		woken := 0
		for w.Wait(ctx) == nil {
			if c, ok := w.(fabric.Consumer); ok {
				_, err := c.Next()
				require.ErrorIs(t, err, fabric.ErrEmpty)
			} else {
				_, _, err := r.p.Stable()
				require.NoError(t, err)
			}
			woken++
		}
		cancel()
		require.Less(t, woken, 100)
	}
}

// testMoveSealed shows that nobody moves to a ring that is over.
func testMoveSealed(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	r.pair.Arena.Seal(fabric.ErrRevoked)
	r.await(r.p, "the seal", func() bool { return r.p.Activate() != nil })
	require.ErrorIs(t, r.p.Activate(), fabric.ErrRevoked)
	r.await(r.c, "the seal", func() bool { return r.c.WantMove() != nil })
	require.ErrorIs(t, r.c.WantMove(), fabric.ErrRevoked)
	_, err := r.c.Active()
	require.ErrorIs(t, err, fabric.ErrRevoked)
	_, err = r.p.MoveWanted()
	require.ErrorIs(t, err, fabric.ErrRevoked)
}
