package edge

import (
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// inbox holds entries that are accepted and not popped, with copies of their payloads: so that most pops need neither lock nor
// ring. The goroutine that pops has it to itself.
type inbox struct {
	heads []head
	next  int
	bytes []byte
	from  int // where the next one's payload begins
}

type head struct {
	pos   position.Position
	kind  handoff.Kind
	bytes int
}

const (
	inboxEntries = 64
	inboxBytes   = 8 << 10
	// inPlaceMin is the payload from which on a lock costs less than a copy.
	inPlaceMin = 1 << 10
	// inboxKeep bounds the memory that is kept for the next fill.
	inboxKeep = 64 << 10
)

func (b *inbox) empty() bool { return b.next == len(b.heads) }
func (b *inbox) full() bool  { return len(b.heads) >= inboxEntries || len(b.bytes) >= inboxBytes }

// clear makes room, once all is taken.
func (b *inbox) clear() {
	if cap(b.bytes) > inboxKeep {
		b.bytes = nil
	}
	b.heads, b.bytes, b.next, b.from = b.heads[:0], b.bytes[:0], 0, 0
}

func (b *inbox) put(e *handoff.Entry) {
	b.heads = append(b.heads, head{e.Pos, e.Kind, len(e.Payload)})
	b.bytes = append(b.bytes, e.Payload...)
}

// take gives the next entry. Its payload is overwritten by the next clear.
func (b *inbox) take(e *handoff.Entry) bool {
	if b.next == len(b.heads) {
		return false
	}
	h := &b.heads[b.next]
	e.Pos, e.Kind = h.pos, h.kind
	e.Payload = b.bytes[b.from : b.from+h.bytes : b.from+h.bytes]
	b.from += h.bytes
	b.next++
	return true
}
