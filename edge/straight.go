package edge

import (
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// Most items go straight: they are encoded where they will lie in the ring, and that is where they are kept until their
// acknowledgement. Whatever is not usual, Push leaves to the long way, through the Sender's window: no ring, or one on another host; items that
// wait to be sent before this one; no room.

// ErrBusy says that two goroutines have pushed to one Producer at the same time. Nothing was pushed.
var ErrBusy = errors.New("edge: two goroutines push at once")

// Items that are copied as they are cost less still. For them reopen prepares a record of several, and then each is a look at what is left of that
// (Producer.quick), with nothing else read, counted or written but its payload. Whoever else is about to look at the window or the batch completes the
// record first: lock does that.

// reopen prepares a record for items of n bytes each, as long as nothing need be looked at meanwhile: there is room in the window and in the ring, and
// nothing has to be shown. Called between Enter and Exit.
func (p *sender) reopen(n int, pos position.Position) bool {
	p.shut()
	if !p.keeps || !p.first || p.eager || n == 0 || !p.batch.Quiet() {
		return false
	}
	count, bytes := p.s.Retained()
	room := (p.window - bytes - count*fabric.RecordOverhead) / (handoff.HeaderBytes + n + fabric.RecordOverhead)
	most := min(room, handoff.OpenMost(p.batch.Free(), n))
	if most <= 0 {
		return false
	}
	record, err := p.batch.ClaimMost(handoff.OpenBytes(most, n))
	if err != nil {
		return false
	}
	at, _ := p.batch.Last()
	if !p.s.Open(pos, record, at, n) {
		p.batch.Abort()
		return false
	}
	return true
}

// lock takes mu, and finds the window and the batch as they are. All but whoever pushes take mu by it.
func (p *sender) lock() {
	p.mu.Lock()
	p.shut()
}

// shut completes the record that reopen has prepared. Called with mu held, or between Enter and Exit.
func (p *sender) shut() {
	n, bytes, record, open := p.s.Shut()
	switch {
	case !open:
	case n == 0:
		p.batch.Abort()
	default:
		_ = p.batch.CommitFirst(record) // which has nothing to publish, by Free, and so cannot fail
		p.count.items += uint64(n)
		p.count.bytes += uint64(n * bytes)
	}
}

// straight begins an item of n bytes and returns its record, or nil if the item goes the long way. Called between Enter and Exit; straightDone
// follows, with the payload in the record.
func (p *sender) straight(n int) (record []byte) {
	p.shut()
	size := handoff.HeaderBytes + n
	if !p.keeps || (!p.holds(size) || !p.batch.Fits(size)) && !p.makeRoom(size) {
		return nil
	}
	return p.batch.Add(size)
}

// straightDone completes what straight has begun, and reports whether the item was pushed by that.
func (p *sender) straightDone(record []byte, pos position.Position) bool {
	if at, end := p.batch.Last(); !p.first || !p.s.WriteStraight(record, at, end, pos) {
		p.batch.Undo()
		return false
	}
	p.count.item(len(record) - handoff.HeaderBytes)
	if p.eager || !p.batch.Quiet() && (p.batch.Owes() || !p.batch.Hold()) {
		p.show()
	}
	return true
}

// holds reports whether the window has room for an entry of so many bytes. It counts what they take in a ring, so that the ring is not full before the window
// is.
func (p *sender) holds(size int) bool {
	n, bytes := p.s.Retained()
	return bytes+size+(n+1)*fabric.RecordOverhead <= p.window || n == 0
}

// makeRoom looks whether the consumer has acknowledged something that straight needs the room of.
func (p *sender) makeRoom(size int) bool {
	p.show()
	if !p.keeps || !p.holds(size) {
		return false
	}
	p.keep()
	if _, err := p.batch.Claim(size); err != nil { // moves the limit
		return false
	}
	p.batch.Abort()
	return p.batch.Fits(size)
}

// show publishes what was written, and takes what the consumer has noted meanwhile.
func (p *sender) show() {
	err := p.batch.Flush()
	if err == nil {
		err = p.notice()
	}
	if err != nil {
		p.link.lost(p.s.Generation(), err)
	}
}

// catchUp takes the consumer's latest stable note, for who is about to look at what is acknowledged.
func (p *sender) catchUp() {
	if p.ring == nil {
		return
	}
	if err := p.notice(); err != nil {
		p.link.lost(p.s.Generation(), err)
	}
}

// notice takes the consumer's latest stable note, if there is a new one. Called while a ring is bound.
func (p *sender) notice() error {
	note, ok, err := p.ring.Stable()
	if err != nil || !ok {
		return err
	}
	stable, err := position.DecodeVector(note)
	if err != nil {
		return fmt.Errorf("stable note: %w: %w", fabric.ErrCorrupt, err)
	}
	p.s.Ack(stable)
	p.lag.acked(stable)
	p.broadcast()
	return nil
}

// keep tells the ring what of it is kept, before it is asked for room.
func (p *sender) keep() {
	if !p.keeps {
		return
	}
	at, ok := p.s.Kept()
	if !ok {
		at = fabric.KeepNone
	}
	p.batch.Kept = at
}

// leave moves what is kept in the ring that is to be left.
func (p *sender) leave() {
	p.keeps = false
	if err := p.s.Unbind(); err != nil {
		p.end(fmt.Errorf("edge %s: %w", p.link.name, err))
	}
}
