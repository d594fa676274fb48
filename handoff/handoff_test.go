package handoff_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

func TestRefusals(t *testing.T) {
	item := func(x uint64) handoff.Entry {
		return handoff.Entry{Pos: position.Position{Offset: x}, Kind: handoff.Item, Payload: []byte{1}}
	}
	var s handoff.Sender
	require.NoError(t, s.Push(item(2)))
	require.ErrorIs(t, s.Push(item(2)), handoff.ErrOrder)
	s.Ack(position.VectorOf(position.Position{Offset: 2}))
	s.Bind(1)
	require.ErrorIs(t, s.Resume(position.VectorOf(position.Position{Offset: 1})), handoff.ErrTrimmed)
	require.NoError(t, s.Resume(position.VectorOf()), "a consumer without a store goes on from what is stable")
	require.Panics(t, func() { s.Bind(1) })

	r := handoff.NewReceiver(position.Vector{}, false)
	r.Bind(7)
	require.ErrorIs(t, r.Ack(position.Position{Offset: 1}), handoff.ErrAckAhead)
}

// What no record or note can carry is refused when it is pushed: later it would look like damage, in every ring anew.
func TestLimits(t *testing.T) {
	item := func(p position.Position) handoff.Entry { return handoff.Entry{Pos: p, Kind: handoff.Item} }
	var s handoff.Sender
	require.ErrorIs(t, s.Push(item(position.Position{Offset: position.OffsetMax + 1})), position.ErrBadPosition)
	for lane := range position.Lane(position.LanesMax) {
		require.NoError(t, s.Push(item(position.Position{Lane: lane, Offset: 1})))
	}
	require.ErrorIs(t, s.Push(item(position.Position{Lane: position.LanesMax})), handoff.ErrLanes)
	require.NoError(t, s.Push(item(position.Position{Lane: 7, Offset: 2})), "a known lane")

	// Another producer may have used other lanes before.
	r := handoff.NewReceiver(s.Pushed(), false)
	r.Bind(1)
	e := item(position.Position{Lane: position.LanesMax})
	b := make([]byte, e.Size())
	e.Put(b, 1, 1)
	_, err := r.Accept(b, new(handoff.Entry))
	require.ErrorIs(t, err, handoff.ErrLanes)
	require.Equal(t, position.LanesMax, r.Accepted().Len())
}

// A mark that was not sent yet gives way to the next of its lane: without input, and without acknowledgements, marks do not
// pile up.
func TestMarksDoNotPileUp(t *testing.T) {
	mark := func(x uint64) handoff.Entry {
		return handoff.Entry{Pos: position.Position{Offset: x}.End(), Kind: handoff.Mark}
	}
	var s handoff.Sender
	s.Bind(1)
	for x := range uint64(10) {
		require.NoError(t, s.Push(mark(x)))
	}
	require.NoError(t, s.Resume(position.Vector{}))
	n, bytes := s.Retained()
	require.Equal(t, 1, n)
	require.Equal(t, handoff.HeaderBytes, bytes)
	e, seq := s.Next()
	require.NotNil(t, e)
	require.Equal(t, mark(9), *e)
	require.EqualValues(t, 1, seq)
	s.Sent()
	require.NoError(t, s.Push(mark(10)), "the last one is out")
	require.NoError(t, s.Push(mark(11)))
	n, _ = s.Retained()
	require.Equal(t, 2, n)
}

// A resume below a forgotten mark is no loss: nothing but marks lay in between.
func TestResumeBelowForgottenMark(t *testing.T) {
	var s handoff.Sender
	at := position.Position{Offset: 1}
	require.NoError(t, s.Push(handoff.Entry{Pos: at, Kind: handoff.Item}))
	require.NoError(t, s.Push(handoff.Entry{Pos: position.Position{Offset: 5}.End(), Kind: handoff.Mark}))
	s.Ack(position.VectorOf(position.Position{Offset: 5}.End()))
	s.Bind(1)
	require.NoError(t, s.Resume(position.VectorOf(at)))
}

// Damage, another generation, and a missing or repeated record all fail the check, and change nothing.
func TestAcceptChecks(t *testing.T) {
	e := handoff.Entry{Pos: position.Position{Lane: 3, Offset: 9}, Kind: handoff.Item, Payload: []byte("hello")}
	fresh := func() *handoff.Receiver { r := handoff.NewReceiver(position.Vector{}, false); r.Bind(5); return r }
	b := make([]byte, e.Size())

	for i, put := range []struct {
		gen fence.Epoch
		seq uint64
	}{{4, 1}, {6, 1}, {5, 2}, {5, 1 << 32}} {
		e.Put(b, put.gen, put.seq)
		_, err := fresh().Accept(b, new(handoff.Entry))
		require.ErrorIs(t, err, handoff.ErrDamaged, i)
	}
	e.Put(b, 5, 1)
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		_, err := fresh().Accept(b, new(handoff.Entry))
		require.ErrorIs(t, err, handoff.ErrDamaged, bit)
		b[bit/8] ^= 1 << (bit % 8)
	}
	for n := range b {
		_, err := fresh().Accept(b[:n], new(handoff.Entry))
		require.ErrorIs(t, err, handoff.ErrDamaged, n)
	}
	var got handoff.Entry
	isNew, err := fresh().Accept(b, &got)
	require.NoError(t, err)
	require.True(t, isNew)
	require.Equal(t, e, got)
}

// CheckHeader covers all but the payload, and its length.
func TestHeaderChecks(t *testing.T) {
	var s handoff.Sender
	s.Bind(5)
	s.SetCheck(handoff.CheckHeader)
	e := &handoff.Entry{Pos: position.Position{Lane: 3, Offset: 9}, Kind: handoff.Item, Payload: []byte("hello")}
	b := make([]byte, e.Size())
	s.Write(b, e, 1)
	accept := func(b []byte, gen fence.Epoch) error {
		r := handoff.NewReceiver(position.Vector{}, false)
		r.Bind(gen)
		_, err := r.Accept(b, new(handoff.Entry))
		return err
	}
	require.NoError(t, accept(b, 5))
	require.ErrorIs(t, accept(b, 4), handoff.ErrDamaged)
	require.ErrorIs(t, accept(append(b, 0), 5), handoff.ErrDamaged)
	for n := range b {
		require.ErrorIs(t, accept(b[:n], 5), handoff.ErrDamaged, n)
	}
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		if bit/8 < handoff.HeaderBytes {
			require.ErrorIs(t, accept(b, 5), handoff.ErrDamaged, bit)
		} else {
			require.NoError(t, accept(b, 5), bit)
		}
		b[bit/8] ^= 1 << (bit % 8)
	}
	s.Write(b, e, 1<<32+1)
	require.ErrorIs(t, accept(b, 5), handoff.ErrDamaged, "a number is more than what is written of it")
}

// Space goes back in order, repeats included, and a stable position outlives the ring that it was accepted in.
func TestFreedAcrossRings(t *testing.T) {
	put := func(gen fence.Epoch, seq, offset uint64) []byte {
		e := handoff.Entry{Pos: position.Position{Offset: offset}, Kind: handoff.Item}
		b := make([]byte, e.Size())
		e.Put(b, gen, seq)
		return b
	}
	r := handoff.NewReceiver(position.Vector{}, false)
	r.Bind(1)
	for seq := uint64(1); seq <= 3; seq++ {
		fresh, err := r.Accept(put(1, seq, seq), new(handoff.Entry))
		require.NoError(t, err)
		require.True(t, fresh)
	}
	require.NoError(t, r.Ack(position.Position{Offset: 1}))
	freed, stable := r.Freed()
	require.EqualValues(t, 1, freed)
	require.Equal(t, "[0:1]", stable.String())

	resume, stable := r.Bind(2)
	require.Equal(t, "[0:3]", resume.String())
	require.Equal(t, "[0:1]", stable.String())
	fresh, err := r.Accept(put(2, 1, 3), new(handoff.Entry))
	require.NoError(t, err)
	require.False(t, fresh, "a repeat")
	fresh, err = r.Accept(put(2, 2, 4), new(handoff.Entry))
	require.NoError(t, err)
	require.True(t, fresh)
	freed, _ = r.Freed()
	require.Zero(t, freed, "older items are pending")
	require.NoError(t, r.Ack(position.Position{Offset: 4}))
	freed, stable = r.Freed()
	require.EqualValues(t, 2, freed)
	require.Equal(t, "[0:4]", stable.String())
	require.Zero(t, r.Pending())
}

func FuzzAccept(f *testing.F) {
	e := handoff.Entry{Pos: position.Position{Offset: 1}, Kind: handoff.Item, Payload: []byte("x")}
	b := make([]byte, e.Size())
	e.Put(b, 1, 1)
	f.Add(b)
	f.Add(severalItems(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := handoff.NewReceiver(position.Vector{}, true)
		r.Bind(1)
		if handoff.ItemsIn(b) > 1 {
			acceptItems(t, r, b)
			return
		}
		var e handoff.Entry
		fresh, err := r.Accept(b, &e)
		if err != nil {
			require.ErrorIs(t, err, handoff.ErrDamaged)
			return
		}
		require.True(t, fresh)
		var s handoff.Sender
		s.Bind(1)
		s.SetCheck(handoff.CheckIn(b))
		again := make([]byte, e.Size())
		s.Write(again, &e, 1)
		require.Equal(t, b, again)
	})
}

// severalItems returns the first record of generation 1, of three items with a leap.
func severalItems(tb testing.TB) []byte {
	var s handoff.Sender
	s.Bind(1)
	s.Ack(position.VectorOf(position.Position{Offset: 1})) // so that the lane is known
	require.NoError(tb, s.Push(handoff.Entry{Pos: position.Position{Offset: 1}, Kind: handoff.Item}))
	require.NoError(tb, s.Resume(position.Vector{}))
	b := make([]byte, handoff.OpenBytes(3, 5))
	require.True(tb, s.Open(position.Position{Offset: 2}, b, 0, 5))
	for _, offset := range []uint64{2, 3, 7} {
		copy(s.Straight(position.Position{Offset: offset}), "hello")
	}
	_, _, record, _ := s.Shut()
	return b[:record]
}

// acceptItems offers a record: it is refused, or its items are in order and within it.
func acceptItems(t *testing.T, r *handoff.Receiver, b []byte) {
	var at [handoff.ItemsMax]position.Position
	items, err := r.AcceptItems(b, &at)
	if err != nil {
		require.ErrorIs(t, err, handoff.ErrDamaged)
		return
	}
	require.Equal(t, handoff.ItemsIn(b), items.N)
	require.Len(t, items.Payloads, items.N*items.Bytes)
	for i, p := range at[:items.N] {
		require.NoError(t, p.Validate())
		require.True(t, i == 0 || at[i-1].Before(p))
	}
}

// A consumer that is new hears of the ends of lanes although they are acknowledged: nobody else tells it that no more is to come.
func TestEndsAreSentAgain(t *testing.T) {
	var s handoff.Sender
	item, end := position.Position{Lane: 1, Offset: 3}, position.EndOfLane(1)
	other := position.Position{Lane: 2, Offset: 1}
	sent := func() (ps []position.Position) {
		for e, _ := s.Next(); e != nil; e, _ = s.Next() {
			ps = append(ps, e.Pos)
			s.Sent()
		}
		return ps
	}
	bind := func(gen fence.Epoch, accepted ...position.Position) []position.Position {
		s.Bind(gen)
		require.NoError(t, s.Resume(position.VectorOf(accepted...)))
		return sent()
	}
	require.Empty(t, bind(1))
	require.NoError(t, s.Push(handoff.Entry{Pos: item, Kind: handoff.Item}))
	require.NoError(t, s.Push(handoff.Entry{Pos: end, Kind: handoff.End}))
	require.NoError(t, s.Push(handoff.Entry{Pos: other, Kind: handoff.Item}))
	require.Equal(t, []position.Position{item, end, other}, sent())
	s.Ack(position.VectorOf(end))
	require.Equal(t, []position.Position{other}, bind(2, end), "it has the end")
	require.Equal(t, []position.Position{end, other}, bind(3, item), "it has not")
	require.Equal(t, []position.Position{end, other}, bind(4), "it has nothing")
	s.Ack(position.VectorOf(other))
	require.Equal(t, []position.Position{end}, bind(5))
	n, _ := s.Retained()
	require.Zero(t, n, "nobody waits for its acknowledgement")
}
