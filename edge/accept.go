package edge

import (
	"errors"

	"github.com/grafnode/grafnode/handoff"
)

// What fill does with the records of the bound ring: those of several items stay where they lie (borrow), others are copied into the inbox
// (take), large ones are given in place (next). All are called with the receiver's lock held.

// errInPlace refuses a record that is not copied into the inbox.
var errInPlace = errors.New("edge: a record that stays where it lies")

// take accepts a record into the inbox. Called by Drain.
func (c *receiver) take(record []byte) error {
	if c.inbox.full() || len(record) > handoff.HeaderBytes+inPlaceMin || handoff.ItemsIn(record) > 1 {
		return errInPlace
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

// next accepts the bound ring's next record in place: it returns true if that is one entry, which is new.
func (c *receiver) next(e *handoff.Entry) (fresh bool, err error) {
	b, err := c.ring.Next()
	if err != nil {
		return false, err
	}
	if handoff.ItemsIn(b) > 1 {
		err = c.borrow(b)
	} else if fresh, err = c.r.Accept(b, e); err == nil {
		c.accepted(fresh, e)
	}
	if err != nil {
		return false, err
	}
	if c.owes {
		c.owes = false
		c.owe()
	}
	return fresh, nil
}

// borrow accepts a record of several items, and fills the inbox with those that are new.
func (c *receiver) borrow(b []byte) error {
	items, err := c.r.AcceptItems(b, &c.inbox.pos)
	if err != nil {
		return err
	}
	if repeats := handoff.ItemsIn(b) - items.N; repeats > 0 {
		c.count.repeats += uint64(repeats)
		c.owes = true
	}
	if items.N == 0 {
		return nil
	}
	c.r.Hold(1)
	c.inbox.borrow(&items)
	c.count.items += uint64(items.N)
	c.count.bytes += uint64(len(items.Payloads))
	c.begun()
	return nil
}

// begun reports a generation's first new item.
func (c *receiver) begun() {
	if !c.first {
		c.first = true
		c.link.first(c.r.Generation())
	}
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
		c.begun()
	}
	return fresh
}
