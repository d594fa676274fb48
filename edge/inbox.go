package edge

import (
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// inbox holds entries that are accepted and not popped, with copies of their payloads: so that most pops need neither lock nor
// ring. The goroutine that pops has it to itself.
type inbox struct {
	heads   [inboxEntries]head
	n, next int // of heads: filled, taken
	bytes   []byte
	from    int // where the next one's payload begins
}

type head struct {
	pos   position.Position
	bytes uint32
	kind  handoff.Kind
}

const (
	inboxEntries = 64
	inboxBytes   = 8 << 10
	// inPlaceMin is the payload from which on a lock costs less than a copy.
	inPlaceMin = 1 << 10
)

func (b *inbox) empty() bool { return b.next == b.n }
func (b *inbox) full() bool  { return b.n == inboxEntries || len(b.bytes) >= inboxBytes }

// clear makes room, once all is taken.
func (b *inbox) clear() { b.n, b.next, b.bytes, b.from = 0, 0, b.bytes[:0], 0 }

func (b *inbox) put(e *handoff.Entry) {
	h := &b.heads[b.n]
	h.pos, h.kind, h.bytes = e.Pos, e.Kind, uint32(len(e.Payload))
	b.bytes = append(b.bytes, e.Payload...)
	b.n++
}

// take gives the next entry. Its payload is overwritten by the next clear.
func (b *inbox) take(e *handoff.Entry) bool {
	if b.empty() {
		return false
	}
	h := b.head()
	e.Pos, e.Kind, e.Payload = h.pos, h.kind, b.payload()
	b.skip()
	return true
}

// head is the next entry's.
func (b *inbox) head() *head { return &b.heads[b.next] }

// payload is the next entry's.
func (b *inbox) payload() []byte {
	to := b.from + int(b.heads[b.next].bytes)
	return b.bytes[b.from:to:to]
}

// skip takes the next entry out.
func (b *inbox) skip() {
	b.from += int(b.heads[b.next].bytes)
	b.next++
}
