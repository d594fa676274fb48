package handoff_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// world is one edge: a producer that regenerates from what is stable, rings that get lost, a consumer with or without a
// store. Each source offset makes offset%3 items.
type world struct {
	s       *handoff.Sender
	r       *handoff.Receiver
	gen     fence.Epoch
	ring    [][]byte // of the current generation
	read    int
	next    uint64 // next offset to push
	stable  position.Vector
	got     []position.Position // accepted items, over all consumers
	effects position.Vector     // what the consumer's store has
}

func (w *world) bind(t *rapid.T) {
	w.gen++
	require.NoError(t, w.s.Unbind())
	for _, b := range w.ring { // nothing is kept there any more
		clear(b)
	}
	w.ring, w.read = nil, 0
	w.s.Bind(w.gen)
	w.s.KeepIn(w)
	resume, stable := w.r.Bind(w.gen)
	w.s.Ack(stable)
	require.NoError(t, w.s.Resume(resume))
}

// Record implements handoff.Memory.
func (w *world) Record(at uint64, bytes int) ([]byte, uint64) { return w.ring[at][:bytes], at + 1 }

func (w *world) push(t *rapid.T) {
	p := position.Position{Lane: 1, Offset: w.next}
	for k := range int(w.next % 3) {
		child, err := p.Child(k)
		require.NoError(t, err)
		payload := payloadOf(child)
		if rapid.Bool().Draw(t, "straight") {
			b := append(make([]byte, handoff.HeaderBytes), payload...)
			w.s.SetCheck(handoff.Check(child.Sub % 2))
			if at := uint64(len(w.ring)); w.s.WriteStraight(b, at, at+1, child) {
				w.ring = append(w.ring, b)
				continue
			}
		}
		if rapid.Bool().Draw(t, "in place") {
			payload = append(w.s.Room(len(payload)), payload...)
		}
		require.NoError(t, w.s.Push(handoff.Entry{Pos: child, Kind: handoff.Item, Payload: payload}))
	}
	require.NoError(t, w.s.Push(handoff.Entry{Pos: p.End(), Kind: handoff.Mark}))
	w.next++
}

// payloadOf makes payloads of many sizes: they begin with the position's name.
func payloadOf(p position.Position) []byte {
	return append([]byte(p.String()+" "), make([]byte, p.Offset*p.Offset*300)...)
}

func (w *world) send() {
	if e, seq := w.s.Next(); e != nil {
		w.s.SetCheck(handoff.Check(seq % 2))
		b := make([]byte, e.Size())
		w.s.Write(b, e, seq)
		w.s.Sent()
		w.ring = append(w.ring, b)
	}
}

func (w *world) pop(t *rapid.T) {
	if w.read == len(w.ring) {
		return
	}
	if rapid.Bool().Draw(t, "as items") && w.popItems(t) {
		return
	}
	var e handoff.Entry
	fresh, err := w.r.Accept(w.ring[w.read], &e)
	require.NoError(t, err)
	w.read++
	if fresh && e.Kind == handoff.Item {
		require.True(t, bytes.Equal(payloadOf(e.Pos), e.Payload), "%v", e.Pos)
		w.got = append(w.got, e.Pos)
	}
}

// popItems accepts a record of items as if there could be several in it, and returns false if it is a mark.
func (w *world) popItems(t *rapid.T) bool {
	b := w.ring[w.read]
	if handoff.Kind(b[12]) != handoff.Item {
		return false
	}
	var at [handoff.ItemsMax]position.Position
	items, err := w.r.AcceptItems(b, &at)
	require.NoError(t, err)
	for i, p := range at[:items.N] {
		require.Equal(t, payloadOf(p), items.Payloads[i*items.Bytes:][:items.Bytes])
	}
	w.got = append(w.got, at[:items.N]...)
	w.read++
	return true
}

// ack commits everything accepted to the consumer's store and acknowledges it.
func (w *world) ack(t *rapid.T) {
	w.effects = w.r.Accepted()
	for _, p := range w.effects.Positions() {
		require.NoError(t, w.r.Ack(p))
	}
	_, stable := w.r.Freed()
	w.s.Ack(stable)
	w.stable = w.s.Stable()
}

// restartProducer replaces the producer: the new one regenerates everything above what the old one knew to be stable.
func (w *world) restartProducer(t *rapid.T) {
	w.s = new(handoff.Sender)
	upto := w.next
	w.next = 0
	if p, ok := w.stable.At(1); ok {
		w.next = p.Offset
	}
	for w.next < upto {
		w.push(t)
	}
	w.bind(t)
}

// restartConsumer replaces the consumer: the new one goes on after its store; what was accepted since is forgotten.
func (w *world) restartConsumer(t *rapid.T) {
	at, ok := w.effects.At(1)
	keep := w.got[:0]
	for _, p := range w.got {
		if ok && p.Compare(at) <= 0 {
			keep = append(keep, p)
		}
	}
	w.got = keep
	w.r = handoff.NewReceiver(w.effects, true)
	w.bind(t)
}

func TestNothingLostNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{s: new(handoff.Sender), r: handoff.NewReceiver(position.Vector{}, true)}
		w.bind(t)
		t.Repeat(map[string]func(*rapid.T){
			"push":             w.push,
			"send":             func(*rapid.T) { w.send() },
			"pop":              w.pop,
			"ack":              w.ack,
			"lose ring":        w.bind,
			"restart producer": w.restartProducer,
			"restart consumer": w.restartConsumer,
			"":                 w.check,
		})
		for range 10 * int(w.next+1) {
			w.send()
			w.pop(t)
		}
		w.ack(t)
		n, bytes := w.s.Retained()
		require.Zero(t, n, "everything is acknowledged, nothing is kept")
		require.Zero(t, bytes)
		require.Len(t, w.got, w.pushed())
	})
}

func (w *world) pushed() (n int) {
	for x := range w.next {
		n += int(x % 3)
	}
	return n
}

// check: the consumers together got a gapless prefix of the items, each once.
func (w *world) check(t *rapid.T) {
	i := 0
	for x := uint64(0); i < len(w.got); x++ {
		for k := range int(x % 3) {
			if i == len(w.got) {
				return
			}
			want, err := position.Position{Lane: 1, Offset: x}.Child(k)
			require.NoError(t, err)
			require.Equal(t, want, w.got[i])
			i++
		}
	}
}
