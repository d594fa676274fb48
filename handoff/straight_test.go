package handoff_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// records is a ring: each record takes 48 bytes, from 40 on.
type records [][]byte

func (r *records) Record(at uint64, bytes int) ([]byte, uint64) {
	return (*r)[(at-40)/48][:bytes], at + 48
}

// straightOne writes an item straight into a ring.
func straightOne(t *testing.T, s *handoff.Sender, r *records, offset uint64) []byte {
	b := append(make([]byte, handoff.HeaderBytes), "payload"...)
	at := 40 + 48*uint64(len(*r))
	require.True(t, s.WriteStraight(b, at, at+48, position.Position{Offset: offset}))
	*r = append(*r, b)
	return b
}

// opened returns a sender that has sent an item the long way, so that what follows goes straight.
func opened(t *testing.T, r *records) *handoff.Sender {
	s := new(handoff.Sender)
	s.Bind(1)
	s.KeepIn(r)
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, 88, position.Position{Offset: 1}), "nothing is sent before the resume note")
	require.NoError(t, s.Resume(position.Vector{}))
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, 88, position.Position{Offset: 1}), "a lane begins the long way")
	require.NoError(t, s.Push(handoff.Entry{Pos: position.Position{Offset: 1}, Kind: handoff.Item}))
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, 88, position.Position{Offset: 2}), "another comes first")
	e, seq := s.Next()
	s.Write(make([]byte, e.Size()), e, seq)
	s.Sent()
	require.False(t, s.WriteStraight(make([]byte, handoff.HeaderBytes), 40, 88, position.Position{Offset: 1}), "it was pushed before")
	return s
}

func TestKeptInTheRing(t *testing.T) {
	var r records
	s := opened(t, &r)
	_, ok := s.Kept()
	require.False(t, ok)
	straightOne(t, s, &r, 2)
	straightOne(t, s, &r, 3)
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
		var r records
		s := opened(t, &r)
		straightOne(t, s, &r, 2)
		b := straightOne(t, s, &r, 3)
		b[i] ^= 4
		require.ErrorIs(t, s.Unbind(), handoff.ErrDamaged, "byte %d", i)
	}
}

// straightMany writes up to n items behind pushed in one go, some less if so many do not fit a run, and returns how many.
func straightMany(t *rapid.T, s *handoff.Sender, r *records, pushed uint64, n int, payload func(uint64) []byte) int {
	size, data := handoff.HeaderBytes+8, make([]byte, 48*n)
	at := func(offset uint64) position.Position { return position.Position{Offset: offset} }
	require.True(t, s.Open(at(pushed+1), data, 40+48*uint64(len(*r)), size, 48, n))
	require.Nil(t, s.Straight(at(pushed)), "it was pushed before")
	require.Nil(t, s.Straight(position.Position{Lane: 1, Offset: pushed + 1}), "another lane")
	require.Nil(t, s.Straight(at(1<<63)), "no position")
	wrote := 0
	for b := s.Straight(at(pushed + 1)); b != nil; b = s.Straight(at(pushed + uint64(wrote) + 1)) {
		copy(b, payload(pushed+uint64(wrote)+1))
		*r = append(*r, data[48*wrote:][:size])
		wrote++
	}
	require.Equal(t, min(n, 64), wrote)
	shut, bytes, open := s.Shut()
	require.Equal(t, []int{wrote, size}, []int{shut, bytes})
	require.True(t, open)
	shut, _, open = s.Shut()
	require.Zero(t, shut, "they are counted")
	require.False(t, open)
	return wrote
}

// Runs are acknowledged in part, end with what goes the long way, and are moved item by item.
func TestRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r records
		s := new(handoff.Sender)
		s.Bind(1)
		s.KeepIn(&r)
		check := rapid.SampledFrom([]handoff.Check{handoff.CheckAll, handoff.CheckHeader}).Draw(t, "check")
		s.SetCheck(check)
		require.NoError(t, s.Resume(position.Vector{}))
		pushed, acked, seq := uint64(0), uint64(0), uint64(0)
		payload := func(offset uint64) []byte { return binary.LittleEndian.AppendUint64(nil, offset) }
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			pushed++ // the long way
			require.NoError(t, s.Push(handoff.Entry{Pos: position.Position{Offset: pushed}, Kind: handoff.Item, Payload: payload(pushed)}))
			e, n := s.Next()
			seq++
			require.Equal(t, seq, n)
			b := make([]byte, e.Size())
			s.Write(b, e, n)
			s.Sent()
			r = append(r, b)
			for left := rapid.IntRange(0, 150).Draw(t, "straight"); left > 0; left-- {
				if ahead := rapid.IntRange(0, min(left, 70)).Draw(t, "prepared"); ahead > 1 && check == handoff.CheckHeader {
					n := straightMany(t, s, &r, pushed, ahead, payload)
					pushed, seq, left = pushed+uint64(n), seq+uint64(n), left-n+1
					continue
				}
				pushed++
				seq++
				b := append(make([]byte, handoff.HeaderBytes), payload(pushed)...)
				at := 40 + 48*uint64(len(r))
				require.True(t, s.WriteStraight(b, at, at+48, position.Position{Offset: pushed}))
				r = append(r, b)
			}
			acked = rapid.Uint64Range(acked, pushed).Draw(t, "acked")
			s.Ack(position.VectorOf(position.Position{Offset: acked}))
			n2, bytes := s.Retained()
			require.Equal(t, int(pushed-acked), n2)
			require.Equal(t, n2*(handoff.HeaderBytes+8), bytes)
			if at, ok := s.Kept(); ok {
				require.GreaterOrEqual(t, at, 40+48*acked, "only what is retained is kept")
			}
		}
		require.NoError(t, s.Unbind())
		for i := range r { // nothing is kept there any more
			clear(r[i])
		}
		s.Bind(2)
		require.NoError(t, s.Resume(position.Vector{}))
		for offset := acked + 1; offset <= pushed; offset++ {
			e, _ := s.Next()
			require.Equal(t, position.Position{Offset: offset}, e.Pos)
			require.Equal(t, payload(offset), e.Payload)
			s.Sent()
		}
		e, _ := s.Next()
		require.Nil(t, e)
	})
}
