package tcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// consumer is the reading side of a ring on another node.
//
// Records are sent here as they come, without asking, read into slabs, and lie there until they are acked. Next and Ack do not
// touch the connection; acks are sent by a goroutine of the consumer's, the newest in place of those it had no time for.
type consumer struct {
	l        *link
	slabs    *slabs
	capacity uint64
	seed     uint32 // of the rows' marks

	recordMax uint64

	// Of the goroutine that fills.
	arrival uint64 // cursor behind what has come

	// Of the goroutine that is in the calls.
	read, done position // of Next, and of Ack: done <= read
	told       uint64   // cursor behind what the owner has been told is done

	arrived   atomic.Uint64 // cursor behind what Next may return: stored by handle, loaded by Wait
	taken     atomic.Uint64 // cursor behind what Next has returned, or less: stored there when it finds no more, loaded by Wait
	waiting   atomic.Int32  // goroutines in Wait: acks are not to be kept back. Loaded by Ack
	lossKnown atomic.Bool   // a call has returned the loss: stored there, loaded by Wait
	closed    atomic.Bool   // stored by Close, loaded by all calls
	closing   sync.Once
	closeErr  error
	active    sign
	news      chan struct{} // wakes Wait; of capacity one
	left      chan struct{} // closed by Close
	mail      chan struct{} // wakes report; of capacity one
	reported  chan struct{} // closed when report has ended

	mu     sync.Mutex // guards what follows, shared with report
	acked  uint64     // records
	resume note
	stable note // unread: not sent yet
	unsent bool // acked has changed
}

func newConsumer(l *link, capacity int) *consumer {
	c := &consumer{
		l: l, slabs: newSlabs(capacity), capacity: uint64(capacity), seed: fabric.Seed(uint64(l.generation)),
		recordMax: uint64(fabric.RecordMax(capacity)),
		news:      make(chan struct{}, 1), left: make(chan struct{}),
		mail: make(chan struct{}, 1), reported: make(chan struct{}),
	}
	c.read.slab, c.done.slab = c.slabs.head, c.slabs.head
	l.to = c
	return c
}

// open begins to listen to the owner.
func (c *consumer) open() *consumer {
	c.l.join(false)
	c.l.tasks.Go(func() { c.l.receive(c.handle) })
	c.l.tasks.Go(c.report)
	return c
}

// Generation returns the ring's generation.
func (c *consumer) Generation() fence.Epoch { return c.l.generation }

var errResumed = errors.New("the resume note is written once, and has been")

// SetResume implements fabric.Consumer.
func (c *consumer) SetResume(n []byte) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := checkNote(n); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resume.set {
		return errResumed
	}
	c.resume = note{bytes: slices.Clone(n), set: true, unread: true}
	wake(c.mail)
	return nil
}

func checkNote(n []byte) error {
	if len(n) > fabric.NoteBytesMax {
		return fmt.Errorf("note of %d bytes, at most %d", len(n), fabric.NoteBytesMax)
	}
	return nil
}

// SetMode implements fabric.Consumer. Who waits for a network sleeps.
func (c *consumer) SetMode(fabric.Mode) {}

// Ack implements fabric.Consumer.
func (c *consumer) Ack(n uint64, stable []byte) error {
	if err := c.check(); err != nil {
		return err
	}
	if err := checkNote(stable); err != nil {
		return err
	}
	if n < c.done.count || n > c.read.count {
		return fmt.Errorf("ack of %d records, must be %d to %d", n, c.done.count, c.read.count)
	}
	before := c.done.slab
	c.advance(n)
	if c.done.slab != before {
		c.slabs.release(c.done.slab)
	}
	c.note(n, stable)
	if stable != nil || c.done.cursor-c.told >= c.capacity/8 || c.waiting.Load() > 0 {
		c.tell()
	}
	return nil
}

// advance moves done behind the first n records.
func (c *consumer) advance(n uint64) {
	if n == c.read.count {
		c.done = c.read
		return
	}
	for d := &c.done; d.count < n; {
		if d.left == 0 {
			if d.at == d.end {
				c.slabs.look(&d.place)
			}
			d.begin(c.seed, c.recordMax) // as read has found it
		}
		d.pass(min(d.left, n-d.count))
	}
}

// note notes for report what Ack was told.
func (c *consumer) note(n uint64, stable []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acked, c.unsent = n, true
	if stable != nil {
		c.stable.bytes, c.stable.unread = append(c.stable.bytes[:0], stable...), true
	}
}

// tell has the owner told of the acks.
func (c *consumer) tell() {
	c.told = c.done.cursor
	wake(c.mail)
}

// Wait implements fabric.Consumer.
func (c *consumer) Wait(ctx context.Context) error {
	c.waiting.Add(1) // before looking for acks that were kept back: what is acked afterwards is told at once
	defer c.waiting.Add(-1)
	if c.unsentAck() {
		wake(c.mail)
	}
	for {
		loss := c.l.err() // before looking at closed: Close ends the link too
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case c.closed.Load():
			return fabric.ErrClosed
		case c.arrived.Load() > c.taken.Load() || c.active.isNew():
			c.active.read() // or whoever does not ask would wait no more
			return nil
		case loss != nil && c.lossKnown.Load():
			return loss
		case loss != nil:
			return nil
		}
		select {
		case <-c.news:
		case <-c.l.ended:
		case <-c.left:
		case <-ctx.Done():
		}
	}
}

func (c *consumer) unsentAck() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unsent
}

// Close implements fabric.Consumer. Acks given before it are sent first. It blocks until the owner has confirmed, or has been
// silent for three heartbeats; an error says that it has not.
func (c *consumer) Close() error {
	c.closing.Do(func() {
		c.closed.Store(true)
		close(c.left)
		<-c.reported
		c.closeErr = c.l.depart(0)
	})
	return c.closeErr
}

// check returns why this side can say nothing any more, or nil.
func (c *consumer) check() error {
	loss := c.l.err() // before looking at closed: Close ends the link too
	switch {
	case c.closed.Load():
		return fabric.ErrClosed
	case loss != nil:
		c.lossKnown.Store(true)
	}
	return loss
}
