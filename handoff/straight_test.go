package handoff_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fence"
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

// straightMany writes up to n items behind pushed into one record, some less if so many do not share one, and returns how many.
func straightMany(t *rapid.T, s *handoff.Sender, r *records, pushed uint64, n int) int {
	data := make([]byte, handoff.OpenBytes(n, 8))
	require.False(t, s.Open(at(pushed), data, 0, 8), "it was pushed before")
	require.True(t, s.Open(at(pushed+1), data, 40+48*uint64(len(*r)), 8))
	require.Nil(t, s.Straight(at(pushed)), "it was pushed before")
	require.Nil(t, s.Straight(position.Position{Lane: 1, Offset: pushed + 1}), "another lane")
	require.Nil(t, s.Straight(at(1<<63)), "no position")
	wrote := 0
	for b := s.Straight(at(pushed + 1)); b != nil; b = s.Straight(at(pushed + uint64(wrote) + 1)) {
		copy(b, payload(pushed+uint64(wrote)+1))
		wrote++
	}
	require.Equal(t, min(n, handoff.ItemsMax), wrote)
	shut, bytes, record, open := s.Shut()
	require.Equal(t, []int{wrote, 8, handoff.HeaderBytes + 8*wrote}, []int{shut, bytes, record})
	require.True(t, open)
	shut, _, _, open = s.Shut()
	require.Zero(t, shut, "they are counted")
	require.False(t, open)
	*r = append(*r, data[:record])
	return wrote
}

// runner drives a sender whose ring keeps what is sent in it, by the positions 1, 2, 3...
type runner struct {
	*rapid.T
	sender        *handoff.Sender
	ring          records
	pushed, acked uint64
	seq           uint64 // of the last record of this generation
}

func at(offset uint64) position.Position { return position.Position{Offset: offset} }

func payload(offset uint64) []byte { return binary.LittleEndian.AppendUint64(nil, offset) }

// bind gives the sender a ring whose consumer has everything up to resume.
func (r *runner) bind(gen fence.Epoch, resume uint64) {
	r.ring = records{}
	r.sender.Bind(gen)
	r.sender.KeepIn(&r.ring)
	require.NoError(r, r.sender.Resume(position.VectorOf(at(resume))))
}

// unbind takes the ring away, and nothing is kept there any more.
func (r *runner) unbind() {
	require.NoError(r, r.sender.Unbind())
	for _, record := range r.ring {
		clear(record)
	}
}

// long sends one item the long way.
func (r *runner) long() {
	r.pushed++
	require.NoError(r, r.sender.Push(handoff.Entry{Pos: at(r.pushed), Kind: handoff.Item, Payload: payload(r.pushed)}))
	e, seq := r.sender.Next()
	r.seq++
	require.Equal(r, r.seq, seq)
	b := make([]byte, e.Size())
	r.sender.Write(b, e, seq)
	r.sender.Sent()
	r.ring = append(r.ring, b)
}

// straight writes items straight into the ring, some of them several to a record.
func (r *runner) straight(items int) {
	for items > 0 {
		n := 1
		if ahead := rapid.IntRange(0, min(items, 70)).Draw(r.T, "prepared"); ahead > 1 {
			n = straightMany(r.T, r.sender, &r.ring, r.pushed, ahead)
		} else {
			b := append(make([]byte, handoff.HeaderBytes), payload(r.pushed+1)...)
			from := 40 + 48*uint64(len(r.ring))
			require.True(r, r.sender.WriteStraight(b, from, from+48, at(r.pushed+1)))
			r.ring = append(r.ring, b)
		}
		r.pushed += uint64(n)
		r.seq++
		items -= n
	}
}

// ack acknowledges some of what was sent up to here.
func (r *runner) ack(sent uint64) {
	r.acked = rapid.Uint64Range(r.acked, sent).Draw(r.T, "acked")
	r.sender.Ack(position.VectorOf(at(r.acked)))
}

// again takes from the sender some of what is to be sent again after sent, and returns how far that came.
func (r *runner) again(sent uint64) uint64 {
	for left := rapid.Uint64Range(0, r.pushed-sent).Draw(r.T, "sent"); left > 0; left-- {
		sent++
		e, _ := r.sender.Next()
		require.Equal(r, at(sent), e.Pos)
		require.Equal(r, payload(sent), e.Payload)
		r.sender.Sent()
		if rapid.IntRange(0, 30).Draw(r.T, "acks") == 0 {
			r.ack(sent)
		}
	}
	return sent
}

// retains checks what a sender says that it still has.
func (r *runner) retains(s *handoff.Sender) {
	n, bytes := s.Retained()
	require.Equal(r, int(r.pushed-r.acked), n)
	require.Equal(r, n*(handoff.HeaderBytes+8), bytes)
}

// Runs are acknowledged in part, end with what goes the long way, and are moved: what is sent in later rings is what was pushed.
func TestRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &runner{T: t, sender: new(handoff.Sender)}
		r.sender.SetCheck(rapid.SampledFrom([]handoff.Check{handoff.CheckAll, handoff.CheckHeader}).Draw(t, "check"))
		r.bind(1, 0)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			r.long()
			r.straight(rapid.IntRange(0, 150).Draw(t, "straight"))
			r.ack(r.pushed)
			r.retains(r.sender)
			if kept, ok := r.sender.Kept(); ok {
				require.GreaterOrEqual(t, last(r.ring[(kept-40)/48]).Offset, r.acked, "only what is retained is kept")
			}
		}
		for gen := fence.Epoch(2); gen < 5; gen++ {
			r.unbind()
			resumed := rapid.Uint64Range(r.acked, r.pushed).Draw(t, "resumed")
			r.bind(gen, resumed)
			sent := r.again(resumed)
			r.retains(r.sender.Clone())
			if e, _ := r.sender.Next(); sent < r.pushed {
				require.Equal(t, at(sent+1), e.Pos)
				continue
			}
			r.straight(rapid.IntRange(0, 80).Draw(t, "straight again"))
		}
	})
}

// last returns the position of a record's last item.
func last(b []byte) position.Position {
	var items handoff.Items
	var at [handoff.ItemsMax]position.Position
	items.Unpack(b, &at)
	return at[items.N-1]
}

// Positions that do not follow one another are as they were, and no more than there are.
func TestLeaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r records
		s, in := new(handoff.Sender), handoff.NewReceiver(position.Vector{}, false)
		s.Bind(1)
		s.KeepIn(&r)
		s.SetCheck(rapid.SampledFrom([]handoff.Check{handoff.CheckAll, handoff.CheckHeader}).Draw(t, "check"))
		in.Bind(1)
		require.NoError(t, s.Resume(position.Vector{}))
		p := position.Position{Lane: 3, Offset: rapid.SampledFrom([]uint64{1, position.OffsetMax - 300}).Draw(t, "from")}
		first := handoff.Entry{Pos: p, Kind: handoff.Item}
		require.NoError(t, s.Push(first))
		e, seq := s.Next()
		b := make([]byte, e.Size())
		s.Write(b, e, seq)
		s.Sent()
		_, err := in.Accept(b, &first)
		require.NoError(t, err)
		p.Offset++
		data, want := make([]byte, handoff.OpenBytes(rapid.IntRange(1, handoff.ItemsMax).Draw(t, "most"), 3)), []position.Position(nil)
		require.True(t, s.Open(p, data, 40, 3))
		for b := s.Straight(p); b != nil; b = s.Straight(p) {
			want = append(want, p)
			switch rapid.IntRange(0, 4).Draw(t, "next") {
			case 0:
				p.Offset += rapid.Uint64Range(1, 200).Draw(t, "by")
			case 1:
				p.Sub++
			default:
				p.Offset++
			}
		}
		n, _, record, _ := s.Shut()
		require.Equal(t, len(want), n)
		r = append(r, data[:record])
		var at [handoff.ItemsMax]position.Position
		if i := rapid.IntRange(0, record-1).Draw(t, "damaged"); i < handoff.HeaderBytes || i >= handoff.HeaderBytes+3*n || handoff.CheckIn(data) == handoff.CheckAll {
			data[i] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			_, err = in.AcceptItems(append([]byte(nil), data[:record]...), &at)
			require.ErrorIs(t, err, handoff.ErrDamaged, "byte %d", i)
			require.ErrorIs(t, s.Unbind(), handoff.ErrDamaged)
			return
		}
		items, err := in.AcceptItems(data[:record], &at)
		require.NoError(t, err)
		require.Equal(t, want, at[:items.N])
		require.NoError(t, s.Unbind())
	})
}
