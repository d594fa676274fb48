package tcp

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/fabric"
)

// This file is what a consumer hears from its owner, and tells it.

// room implements receiver.
func (c *consumer) room(at uint64, n int) ([]byte, error) {
	if at != c.arrival {
		return nil, fmt.Errorf("records from byte %d, want %d: %w", at, c.arrival, fabric.ErrCorrupt)
	}
	return c.slabs.room(n, c.first)
}

// idle implements receiver.
func (c *consumer) idle() error { return nil }

// first looks how long the row is with which the stretch begins that comes next. The rest is not checked yet: it says where to put it, no more.
func (c *consumer) first() (int, error) {
	b, err := c.l.in.peek(fabric.HeaderBytes)
	if err != nil {
		return 0, cut(err)
	}
	head := binary.LittleEndian.Uint64(b)
	row, ok := fabric.ReadHeader(c.seed, c.arrival, head, c.recordMax)
	if !ok {
		return 0, fmt.Errorf("bad header %016x at byte %d: %w", head, c.arrival, fabric.ErrCorrupt)
	}
	return int(row.Bytes()), nil
}

// handle takes in what the owner says.
func (c *consumer) handle(f frame) error {
	switch f.kind {
	case kindBeat:
		return nil
	case kindSeal:
		return decodeRefusal(f.payload)
	case kindActive:
		c.active.say()
		wake(c.news)
		return nil
	case kindRecords:
	default:
		return fmt.Errorf("%v frame to a consumer: %w", f.kind, fabric.ErrCorrupt)
	}
	c.arrival += uint64(len(f.payload))
	if c.slabs.filled(len(f.payload)) {
		c.arrived.Store(c.arrival)
		wake(c.news)
	}
	return nil
}

// report sends notes and acks until the link ends or Close is called; then what is left.
func (c *consumer) report() {
	defer close(c.reported)
	for closing := false; !closing; {
		select {
		case <-c.mail:
		case <-c.left:
			closing = true
		case <-c.l.ended:
			return
		}
		if c.reportNow() != nil {
			return // the link has ended
		}
	}
}

func (c *consumer) reportNow() error {
	c.mu.Lock()
	resume, stable, acked, unsent := c.resume, c.stable, c.acked, c.unsent
	c.resume.unread, c.stable.unread, c.unsent = false, false, false
	stable.bytes = slices.Clone(stable.bytes)
	c.mu.Unlock()
	if resume.unread {
		if err := c.l.send(kindResume, 0, 0, resume.bytes); err != nil {
			return err
		}
	}
	switch {
	case stable.unread:
		return c.l.send(kindAck, flagNote, acked, stable.bytes)
	case unsent:
		return c.l.send(kindAck, 0, acked, nil)
	}
	return nil
}
