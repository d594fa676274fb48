package edge

import (
	"errors"

	"github.com/grafnode/grafnode/handoff"
)

// What fill does with the records of the bound ring: items that are copied as they are stay where they lie (borrow), others are copied into the
// inbox (take), large ones are given in place (next). All are called with the receiver's lock held.

// none is a receiver's item of no length in particular, or of no bytes: there is nothing to read in place.
const none = 0

// borrow fills the inbox with items that lie in the ring, and reports whether it did. Whatever is not usual is Drain's: the first item, records of
// other kinds, repeats, damage, a ring that is empty or lost.
func (c *receiver) borrow() bool {
	if c.peeker == nil || !c.first {
		return false
	}
	r, err := c.peeker.Peek()
	if err != nil || r.Bytes != handoff.HeaderBytes+c.item {
		return false
	}
	n := c.r.AcceptItems(r.Data, r.Bytes, r.Stride, c.inbox.pos[:min(r.N, inboxEntries)])
	if n == 0 {
		return false
	}
	c.peeker.Skip(n)
	c.r.Hold(n)
	c.inbox.borrow(r, n)
	c.count.items += uint64(n)
	c.count.bytes += uint64(n * c.item)
	return true
}

// errLarge refuses a record that does not go into the inbox.
var errLarge = errors.New("edge: a record for which there is no room")

// take accepts a record into the inbox. Called by Drain.
func (c *receiver) take(record []byte) error {
	if c.inbox.full() || len(record) > handoff.HeaderBytes+inPlaceMin {
		return errLarge
	}
	var e handoff.Entry
	fresh, err := c.r.Accept(record, &e)
	if err != nil {
		return err
	}
	if fresh && e.Kind == handoff.Item && c.first { // nearly always
		c.count.item(len(e.Payload))
	} else if !c.accepted(fresh, &e) {
		return nil
	}
	c.inbox.put(&e)
	return nil
}

// next accepts the bound ring's next record, in place.
func (c *receiver) next(e *handoff.Entry) (fresh bool, err error) {
	b, err := c.ring.Next()
	if err != nil {
		return false, err
	}
	if fresh, err = c.r.Accept(b, e); err != nil {
		return false, err
	}
	c.accepted(fresh, e)
	if c.owes {
		c.owes = false
		c.owe()
	}
	return fresh, nil
}

// accepted counts a record that was accepted, and returns fresh.
func (c *receiver) accepted(fresh bool, e *handoff.Entry) bool {
	switch {
	case !fresh:
		c.count.repeats++
		c.owes = true
	case e.Kind != handoff.Item:
		c.owes = true // a mark may acknowledge itself
	default:
		c.count.item(len(e.Payload))
		if !c.first {
			c.first = true
			c.link.first(c.r.Generation())
		}
	}
	return fresh
}
