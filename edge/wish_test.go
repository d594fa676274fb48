package edge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// A consumer that has lost its ring is not asked where to go on: it has said so, once, when the producer hears of its wish.
func TestAWishSaysWhereToGoOn(t *testing.T) {
	arena, err := inproc.New(fabric.Config{Arena: "a", Edge: "e", Generation: 2, Capacity: fabric.CapacityMin})
	require.NoError(t, err)
	p, err := arena.Producer()
	require.NoError(t, err)
	defer p.Close()
	spare, err := arena.Consumer()
	require.NoError(t, err)
	defer spare.Close()

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
