package handoff_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// sent is a record, and the position of the last item in it.
type sent struct {
	items, bytes int
	last         position.Position
}

// shipped is a Sender's records as a Receiver takes them: of one item, or of several.
type shipped struct {
	s    *handoff.Sender
	r    *handoff.Receiver
	all  []sent
	last map[position.Lane]position.Position
}

// next returns the position after the last of a lane.
func (w *shipped) next(lane position.Lane, step uint64, flat bool) position.Position {
	p := w.last[lane]
	p.Lane = lane
	if flat {
		p.Sub++
	} else {
		p.Offset += step
	}
	w.last[lane] = p
	return p
}

// one ships a record of one item.
func (w *shipped) one(t *rapid.T, p position.Position) {
	require.NoError(t, w.s.Push(handoff.Entry{Pos: p, Kind: handoff.Item, Payload: make([]byte, 8)}))
	e, seq := w.s.Next()
	b := make([]byte, e.Size())
	w.s.Write(b, e, seq)
	w.s.Sent()
	fresh, err := w.r.Accept(b, e)
	require.NoError(t, err)
	require.True(t, fresh)
	w.all = append(w.all, sent{1, len(b), p})
}

// several ships a record of n items.
func (w *shipped) several(t *rapid.T, n int, p position.Position, next func() position.Position) {
	b := make([]byte, handoff.OpenBytes(n, 8))
	require.True(t, w.s.Open(p, b, 0, 8))
	for i := range n {
		if i > 0 {
			p = next()
		}
		require.NotNil(t, w.s.Straight(p))
	}
	_, _, record, _ := w.s.Shut()
	var at [handoff.ItemsMax]position.Position
	items, err := w.r.AcceptItems(b[:record], &at)
	require.NoError(t, err)
	require.Equal(t, n, items.N)
	w.all = append(w.all, sent{n, record, p})
}

// What is acknowledged frees as many records as it would if each were remembered by itself, whatever the runs that they make.
func TestRunsFreeWhatIsAcknowledged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &shipped{s: new(handoff.Sender), r: handoff.NewReceiver(position.Vector{}, false), last: map[position.Lane]position.Position{}}
		w.r.Bind(1)
		w.s.Bind(1)
		require.NoError(t, w.s.Resume(position.Vector{}))
		acked, freed, room := map[position.Lane]position.Position{}, 0, 0
		for range rapid.IntRange(1, 10).Draw(t, "rounds") {
			lane := position.Lane(rapid.IntRange(0, 1).Draw(t, "lane"))
			step, flat := rapid.Uint64Range(1, 3).Draw(t, "step"), rapid.Bool().Draw(t, "one input's")
			next := func() position.Position { return w.next(lane, step, flat) }
			from := len(w.all)
			w.one(t, next())
			for range rapid.IntRange(0, 20).Draw(t, "records") {
				if n := rapid.IntRange(0, 5).Draw(t, "items"); n > 0 {
					w.several(t, n, next(), next)
				} else {
					w.one(t, next())
				}
			}
			held := rapid.IntRange(0, len(w.all)-from).Draw(t, "held")
			w.r.Hold(held)
			p := w.all[rapid.IntRange(0, len(w.all)-1).Draw(t, "acked")].last
			if p.Sub > 0 && rapid.Bool().Draw(t, "in part") {
				p.Sub--
			}
			require.NoError(t, w.r.Ack(p))
			if old, ok := acked[p.Lane]; !ok || old.Before(p) {
				acked[p.Lane] = p
			}
			for ; freed < len(w.all)-held; freed++ {
				of := w.all[freed]
				if upto, ok := acked[of.last.Lane]; !ok || upto.Before(of.last) {
					break
				}
				room += of.bytes
			}
			records, bytes := w.r.Settle()
			require.Equal(t, []int{freed, room}, []int{int(records), int(bytes)})
			pending := 0
			for _, of := range w.all[freed:] {
				pending += of.items
			}
			require.Equal(t, pending, w.r.Pending())
		}
	})
}

// Items that the consumer has are left out, and a record that has only such is a repeat, which frees itself.
func TestItemsThatRepeat(t *testing.T) {
	b := severalItems(t) // at 2, 3 and 7
	for upto, want := range map[uint64]int{1: 3, 2: 2, 3: 1, 6: 1, 7: 0, 9: 0} {
		r := handoff.NewReceiver(position.VectorOf(position.Position{Offset: upto}), false)
		r.Bind(1)
		var at [handoff.ItemsMax]position.Position
		items, err := r.AcceptItems(b, &at)
		require.NoError(t, err)
		require.Equal(t, want, items.N, "behind %d", upto)
		require.Len(t, items.Payloads, 5*want)
		for _, p := range at[:items.N] {
			require.Greater(t, p.Offset, upto)
		}
		records, _ := r.Settle()
		require.Equal(t, want == 0, records == 1)
	}
}
