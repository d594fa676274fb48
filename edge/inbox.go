package edge

import (
	"sync/atomic"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/internal/turn"
	"github.com/grafnode/grafnode/position"
)

// inbox holds entries that are accepted and not popped, so that most pops need neither lock nor ring: either copies of their payloads, or
// items that lie in the ring still, where they keep their space until all of them are popped. The goroutine that pops has it to itself, but
// for detach.
type inbox struct {
	pos     [inboxEntries]position.Position
	heads   [inboxEntries]head // of copies
	n, next int                // of pos: filled, taken
	bytes   []byte             // memory of our own, for copies

	data []byte      // where the payloads are: bytes, or the ring
	from int         // where in data the next one begins
	size int         // of each item in the ring; zero: these are copies
	lies atomic.Bool // some are left that lie in the ring; stored by whoever pops, loaded by settle

	// mu is entered by whoever pops while it looks at data, and locked by who is about to take the ring's memory away.
	mu turn.Turn
}

type head struct {
	bytes uint32
	kind  handoff.Kind
}

const (
	inboxEntries = handoff.ItemsMax
	inboxBytes   = 8 << 10
	// inPlaceMin is the payload from which on a lock costs less than a copy.
	inPlaceMin = 1 << 10
)

func (b *inbox) empty() bool { return b.next == b.n }
func (b *inbox) full() bool  { return b.n == inboxEntries || len(b.bytes) >= inboxBytes }

// clear makes room, once all is taken.
func (b *inbox) clear() { b.n, b.next, b.bytes, b.data, b.from, b.size = 0, 0, b.bytes[:0], nil, 0, 0 }

// put adds a copy of an entry.
func (b *inbox) put(e *handoff.Entry) {
	b.pos[b.n], b.heads[b.n] = e.Pos, head{uint32(len(e.Payload)), e.Kind}
	b.bytes = append(b.bytes, e.Payload...)
	b.data = b.bytes
	b.n++
}

// borrow makes items that lie in the ring what is in the inbox, which is empty. Their positions are in pos.
func (b *inbox) borrow(items *handoff.Items) {
	b.data, b.from, b.size, b.n, b.next = items.Payloads, 0, items.Bytes, items.N, 0
	b.lies.Store(true)
}

// detach copies what lies in the ring, which is to be left. Called with the receiver's lock held, as what fills the inbox is. Whoever pops
// may have come further than is seen here, but what it has taken of these is still there.
func (b *inbox) detach() {
	if b.size > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.data = append([]byte(nil), b.data...)
	}
}

// take gives the next entry. Its payload is overwritten by the next clear or take.
func (b *inbox) take(e *handoff.Entry) bool {
	if b.empty() {
		return false
	}
	e.Pos = b.pos[b.next]
	if b.size == 0 {
		e.Kind, e.Payload = b.heads[b.next].kind, b.copied()
		b.skip()
		return true
	}
	if !b.mu.Enter() {
		return false
	}
	b.bytes = append(b.bytes[:0], b.lying()...)
	b.mu.Exit()
	e.Kind, e.Payload = handoff.Item, b.bytes
	b.skipLying()
	return true
}

// copied is the next entry's payload, if it is a copy.
func (b *inbox) copied() []byte {
	to := b.from + int(b.heads[b.next].bytes)
	return b.data[b.from:to:to]
}

// skip takes that entry out.
func (b *inbox) skip() {
	b.from += int(b.heads[b.next].bytes)
	b.next++
}

// lying is the next entry's payload, if it lies in the ring. Called between Enter and Exit.
func (b *inbox) lying() []byte { return b.data[b.from : b.from+b.size] }

// skipLying takes that entry out.
func (b *inbox) skipLying() {
	b.from += b.size
	if b.next++; b.next == b.n {
		b.lies.Store(false)
	}
}
