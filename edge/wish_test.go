package edge

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// A consumer that has lost its ring is not asked where to go on: it has said so, once, when the producer hears of its wish.
func TestAWishSaysWhereToGoOn(t *testing.T) {
	p, spare := spareSides(t)
	accepted := position.VectorOf(position.Position{Offset: 7})
	c := &receiver{r: handoff.NewReceiver(accepted, true)}
	require.NoError(t, c.say(spare, handoff.Want))
	wanted, err := p.MoveWanted()
	require.NoError(t, err)
	require.True(t, wanted)
	note, there, err := p.Resume()
	require.NoError(t, err)
	require.True(t, there)
	from, err := position.DecodeVector(note)
	require.NoError(t, err)
	require.True(t, from.Equal(accepted))
	require.NoError(t, c.resume(spare, accepted), "as it does when it binds the spare")
}

// A producer that has heard of the wish in its spare sleeps there, until it goes or there is more to hear.
func TestAWishIsHeardOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, spare := spareSides(t)
		c := &receiver{r: handoff.NewReceiver(position.Vector{}, true)}
		require.NoError(t, c.greet(spare))
		require.NoError(t, c.say(spare, handoff.Want))
		news, err := (&sender{}).look(p)
		require.NoError(t, err)
		require.Equal(t, []handoff.What{handoff.Met, handoff.MoveWanted}, news)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, p.Wait(ctx), context.DeadlineExceeded)
	})
}

// spareSides returns the two sides of a ring.
func spareSides(t *testing.T) (fabric.Producer, fabric.Consumer) {
	arena, err := inproc.New(fabric.Config{Arena: "a", Edge: "e", Generation: 2, Capacity: fabric.CapacityMin})
	require.NoError(t, err)
	p, err := arena.Producer()
	require.NoError(t, err)
	spare, err := arena.Consumer()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Close())
		require.NoError(t, spare.Close())
		require.NoError(t, arena.Close())
	})
	return p, spare
}
