package handoff_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// straightOne writes an item straight into a ring that is one record.
func straightOne(t *testing.T, s *handoff.Sender, at uint64, offset uint64) []byte {
	b := append(make([]byte, handoff.HeaderBytes), "payload"...)
	require.True(t, s.WriteStraight(b, at, position.Position{Offset: offset}))
	return b
}

// opened returns a sender that has sent an item the long way, so that what follows goes straight.
func opened(t *testing.T) *handoff.Sender {
	s := new(handoff.Sender)
	s.Bind(1)
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, position.Position{Offset: 1}), "nothing is sent before the resume note")
	require.NoError(t, s.Resume(position.Vector{}))
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, position.Position{Offset: 1}), "a lane begins the long way")
	require.NoError(t, s.Push(handoff.Entry{Pos: position.Position{Offset: 1}, Kind: handoff.Item}))
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, position.Position{Offset: 2}), "another comes first")
	e, seq := s.Next()
	s.Write(make([]byte, e.Size()), e, seq)
	s.Sent()
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, position.Position{Offset: 1}), "it was pushed before")
	return s
}

func TestKeptInTheRing(t *testing.T) {
	s := opened(t)
	_, ok := s.Kept()
	require.False(t, ok)
	straightOne(t, s, 40, 2)
	straightOne(t, s, 88, 3)
	at, ok := s.Kept()
	require.True(t, ok)
	require.Equal(t, uint64(40), at)
	s.Ack(position.VectorOf(position.Position{Offset: 2}))
	at, _ = s.Kept()
	require.Equal(t, uint64(88), at)
	n, bytes := s.Retained()
	require.Equal(t, 1, n)
	require.Equal(t, handoff.HeaderBytes+len("payload"), bytes)
	s.Ack(position.VectorOf(position.Position{Offset: 3}))
	_, ok = s.Kept()
	require.False(t, ok)
}

// What is kept in a ring is verified before it is sent in another.
func TestDamageInTheRingIsFound(t *testing.T) {
	for i := range handoff.HeaderBytes + len("payload") {
		s := opened(t)
		straightOne(t, s, 40, 2)
		b := straightOne(t, s, 88, 3)
		b[i] ^= 4
		require.ErrorIs(t, s.Unbind(), handoff.ErrDamaged, "byte %d", i)
	}
}
