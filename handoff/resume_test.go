package handoff_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// A consumer that has nothing is not sent what is acknowledged, although it is retained still, behind an item of another lane: it would be told
// to have gone back in time as soon as it is in another ring with part of it.
func TestResumeFromWhatIsStable(t *testing.T) {
	var s handoff.Sender
	resume := func(gen fence.Epoch, accepted position.Vector) (sent []position.Position) {
		s.Bind(gen)
		require.NoError(t, s.Resume(accepted))
		for e, _ := s.Next(); e != nil; e, _ = s.Next() {
			sent = append(sent, e.Pos)
			s.Sent()
		}
		return sent
	}
	other := position.Position{Lane: 1, Offset: 1}
	of := func(offset uint64) position.Position { return position.Position{Lane: 2, Offset: offset} }
	for _, p := range []position.Position{other, of(1), of(2), of(3)} {
		require.NoError(t, s.Push(handoff.Entry{Pos: p, Kind: handoff.Item}))
	}
	require.Equal(t, []position.Position{other, of(1), of(2), of(3)}, resume(1, position.Vector{}))
	s.Ack(position.VectorOf(of(2)))
	n, _ := s.Retained()
	require.Equal(t, 4, n)
	require.Equal(t, []position.Position{other, of(3)}, resume(2, position.Vector{}))
	s.Ack(position.VectorOf(other))
	require.Equal(t, []position.Position{of(3)}, resume(3, position.VectorOf(other)))
	require.Empty(t, resume(4, position.VectorOf(other, of(3))))
}
