package handoff_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// place is where a record lies in a ring.
type place struct {
	record []byte
	next   uint64
}

// memory is a ring by cursor.
type memory map[uint64]place

func (m memory) Record(at uint64, bytes int) ([]byte, uint64) {
	p := m[at]
	return p.record[:bytes], p.next
}

// twins are two Senders that are told the same. One sends all that it can straight and keeps it there, the other sends and keeps copies.
type twins struct {
	t             *rapid.T
	straight, far *handoff.Sender
	ring          memory
	at            uint64            // ring's end
	sent, want    [][]byte          // in this ring, and what the other has sent
	in            *handoff.Receiver // of sent
	read          int               // by it
	gen           fence.Epoch
	last          [2]position.Position // pushed, by lane
	ended         [2]bool
	done          position.Vector // acknowledged by in and those before it
	full          bool            // the ring has no room
}

// TestStraightIsAlike: what goes straight is sent, kept and forgotten as what does not, with any lanes, marks, notes, rings and consumers.
func TestStraightIsAlike(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &twins{t: t, in: handoff.NewReceiver(position.Vector{}, true)}
		w.begin()
		t.Repeat(map[string]func(*rapid.T){
			"push":      func(*rapid.T) { w.push() },
			"push many": func(*rapid.T) { w.many() },
			"mark":      func(*rapid.T) { w.mark() },
			"end":       func(*rapid.T) { w.end() },
			"full":      func(*rapid.T) { w.full = !w.full; w.send() },
			"read":      func(*rapid.T) { w.accept() },
			"ack":       func(*rapid.T) { w.ack() },
			"lose": func(*rapid.T) {
				require.NoError(t, w.straight.Unbind())
				for at := range w.ring { // nothing is kept there any more
					clear(w.ring[at].record)
				}
				switch rapid.IntRange(0, 6).Draw(t, "another") {
				case 0:
					w.in = handoff.NewReceiver(w.done, true) // with a store
				case 1:
					w.in = handoff.NewReceiver(position.Vector{}, true)
				case 2:
					w.begin()
					return
				}
				w.bind()
			},
			"": func(*rapid.T) { w.same() },
		})
	})
}

func (w *twins) same() {
	n, size := w.far.Retained()
	n2, size2 := w.straight.Retained()
	require.Equal(w.t, []int{n, size}, []int{n2, size2})
	require.Equal(w.t, w.far.Stable(), w.straight.Stable())
	require.Equal(w.t, w.far.Pushed(), w.straight.Pushed())
	require.Equal(w.t, w.far.Repeats(), w.straight.Repeats())
	newest, ok := w.far.Newest()
	newest2, ok2 := w.straight.Newest()
	require.Equal(w.t, ok, ok2)
	require.Equal(w.t, newest, newest2)
	want, sent := flat(w.want), flat(w.sent)
	require.Equal(w.t, len(want), len(sent))
	for i := range sent {
		require.True(w.t, bytes.Equal(want[i], sent[i]), "item %d", i)
	}
}

// flat returns what is in records, without their checks and numbers: items one by one, and marks.
func flat(records [][]byte) (all [][]byte) {
	for _, b := range records {
		var items handoff.Items
		var at [handoff.ItemsMax]position.Position
		if !items.Unpack(b, &at) {
			all = append(all, b[8:])
			continue
		}
		for i := range items.N {
			all = append(all, append(at[i].Append(nil), items.Payloads[i*items.Bytes:][:items.Bytes]...))
		}
	}
	return all
}

// begin begins with another producer, whose source has what is not acknowledged.
func (w *twins) begin() {
	w.straight, w.far = new(handoff.Sender), new(handoff.Sender)
	check := rapid.SampledFrom([]handoff.Check{handoff.CheckAll, handoff.CheckHeader}).Draw(w.t, "check")
	w.straight.SetCheck(check)
	w.far.SetCheck(check)
	for lane := range w.last {
		p, _ := w.done.At(position.Lane(lane))
		if w.ended[lane] = p.IsEndOfLane(); !w.ended[lane] {
			w.last[lane] = p
		}
	}
	w.bind()
}

func (w *twins) bind() {
	w.gen++
	w.ring, w.at, w.sent, w.want, w.read = memory{}, 40, nil, nil, 0
	resume, stable := w.in.Bind(w.gen)
	w.straight.Bind(w.gen)
	w.straight.KeepIn(w.ring)
	w.far.Bind(w.gen)
	for _, s := range []*handoff.Sender{w.straight, w.far} {
		s.Ack(stable)
		require.NoError(w.t, s.Resume(resume))
	}
	w.send()
}

// put appends a record to the ring.
func (w *twins) put(b []byte) (at uint64) {
	at = w.at
	w.at += uint64(len(b)+15) &^ 7
	w.ring[at] = place{b, w.at}
	w.sent = append(w.sent, b)
	return at
}

// send has both send what waits.
func (w *twins) send() {
	for _, s := range []*handoff.Sender{w.straight, w.far} {
		for e, seq := s.Next(); e != nil && !w.full; e, seq = s.Next() {
			b := make([]byte, e.Size())
			s.Write(b, e, seq)
			s.Sent()
			if s == w.far {
				w.want = append(w.want, b)
			} else {
				w.put(b)
			}
		}
	}
}

// next draws the position after the last of a lane.
func (w *twins) next(lane int) position.Position {
	p := w.last[lane]
	p.Lane = position.Lane(lane)
	if rapid.Bool().Draw(w.t, "sub") {
		p.Sub += rapid.Uint64Range(1, 2).Draw(w.t, "by")
	} else {
		p.Offset += rapid.Uint64Range(1, 2).Draw(w.t, "by")
		p.Sub = 0
	}
	return p
}

func (w *twins) lane() (lane int, ok bool) {
	lane = rapid.IntRange(0, 1).Draw(w.t, "lane")
	return lane, !w.ended[lane]
}

func item(p position.Position, n int) handoff.Entry {
	return handoff.Entry{Pos: p, Kind: handoff.Item, Payload: append(binary.LittleEndian.AppendUint64(nil, p.Offset), make([]byte, n)...)}
}

func (w *twins) push() {
	lane, ok := w.lane()
	if !ok {
		return
	}
	p := w.next(lane)
	w.last[lane] = p
	e := item(p, rapid.IntRange(0, 3).Draw(w.t, "size"))
	require.NoError(w.t, w.far.Push(e))
	b := make([]byte, e.Size())
	copy(b[handoff.HeaderBytes:], e.Payload)
	if w.full || !w.straight.WriteStraight(b, w.at, w.at+uint64(len(b)+15)&^7, p) {
		require.NoError(w.t, w.straight.Push(e))
	} else {
		w.put(b)
	}
	w.send()
}

func (w *twins) many() {
	lane, ok := w.lane()
	if !ok || w.full {
		return
	}
	p := w.next(lane)
	e := item(p, rapid.IntRange(0, 3).Draw(w.t, "size"))
	size := len(e.Payload)
	data := make([]byte, handoff.OpenBytes(rapid.IntRange(1, 80).Draw(w.t, "most"), size))
	if !w.straight.Open(p, data, w.at, size) {
		return
	}
	wrote := 0
	for range rapid.IntRange(0, 80).Draw(w.t, "items") {
		e := item(p, size-8)
		b := w.straight.Straight(p)
		if b == nil {
			break
		}
		copy(b, e.Payload)
		require.NoError(w.t, w.far.Push(e))
		wrote++
		w.last[lane] = p
		if p = w.next(rapid.SampledFrom([]int{lane, lane, lane, lane, lane, 1 - lane}).Draw(w.t, "next lane")); w.ended[p.Lane] {
			break
		}
	}
	n, bytes, record, open := w.straight.Shut()
	require.True(w.t, open)
	require.Equal(w.t, []int{wrote, size}, []int{n, bytes})
	if n > 0 {
		w.put(data[:record:record])
	}
	w.send()
}

func (w *twins) mark() {
	lane, ok := w.lane()
	if !ok {
		return
	}
	p := w.next(lane)
	w.last[lane] = p
	w.both(handoff.Entry{Pos: p, Kind: handoff.Mark})
}

func (w *twins) end() {
	lane, ok := w.lane()
	if !ok || rapid.IntRange(0, 3).Draw(w.t, "at last") > 0 {
		return
	}
	w.ended[lane] = true
	w.both(handoff.Entry{Pos: position.EndOfLane(position.Lane(lane)), Kind: handoff.End})
}

func (w *twins) both(e handoff.Entry) {
	require.NoError(w.t, w.straight.Push(e))
	require.NoError(w.t, w.far.Push(e))
	w.send()
}

// accept reads some records.
func (w *twins) accept() {
	for n := rapid.IntRange(0, len(w.sent)-w.read).Draw(w.t, "records"); n > 0; n-- {
		var err error
		b := w.sent[w.read]
		if handoff.ItemsIn(b) > 1 || handoff.Kind(b[12]) == handoff.Item && rapid.Bool().Draw(w.t, "as items") {
			var at [handoff.ItemsMax]position.Position
			_, err = w.in.AcceptItems(b, &at)
		} else {
			_, err = w.in.Accept(b, new(handoff.Entry))
		}
		require.NoError(w.t, err)
		w.read++
	}
}

// ack acknowledges some of what was read, and perhaps tells.
func (w *twins) ack() {
	for _, p := range w.in.Accepted().Positions() {
		if !p.IsEndOfLane() {
			p.Offset -= min(p.Offset, rapid.Uint64Range(0, 5).Draw(w.t, "behind"))
		} else if rapid.Bool().Draw(w.t, "without its end") {
			continue
		}
		require.NoError(w.t, w.in.Ack(p))
	}
	_, stable := w.in.Freed()
	w.done = w.done.Max(stable)
	if rapid.Bool().Draw(w.t, "told") {
		w.straight.Ack(stable)
		w.far.Ack(stable)
		w.send()
	}
}
