package tcp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/borrow"
	"github.com/grafnode/grafnode/fence"
)

// consumer is the reading side of a ring on another node.
//
// Records are sent here as they come, without asking, and lie in this process's memory until they are acked. Next and Ack do
// not touch the connection; acks are sent by a goroutine of the consumer's, the newest in place of those it had no time for.
type consumer struct {
	l     *link
	in    inbox
	slabs *slabs

	// Of the goroutine that is in the calls.
	view view

	taken     atomic.Uint64 // records that Next has returned: stored there, loaded by Wait
	arrived   atomic.Uint64 // records that Next may return: stored by handle, loaded by Wait
	lossKnown atomic.Bool   // a call has returned the loss: stored there, loaded by Wait
	closed    atomic.Bool   // stored by Close, loaded by all calls
	closing   sync.Once
	closeErr  error
	news      chan struct{} // wakes Wait; of capacity one
	done      chan struct{} // closed by Close
	mail      chan struct{} // wakes report; of capacity one
	reported  chan struct{} // closed when report has ended

	mu     sync.Mutex // guards what follows, shared with report
	acked  uint64
	resume note
	stable note // unread: not sent yet
	unsent bool // acked has changed
}

func newConsumer(l *link, capacity int) *consumer {
	c := &consumer{
		l: l, slabs: newSlabs(capacity),
		news: make(chan struct{}, 1), done: make(chan struct{}),
		mail: make(chan struct{}, 1), reported: make(chan struct{}),
	}
	c.in = inbox{to: c.slabs, recordMax: fabric.RecordMax(capacity)}
	l.tasks.Go(l.beat)
	l.tasks.Go(func() { l.receive(c.handle) })
	l.tasks.Go(c.report)
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

// Next implements fabric.Consumer.
func (c *consumer) Next() ([]byte, error) {
	if c.closed.Load() {
		return nil, fabric.ErrClosed
	}
	b := c.view.record()
	if b == nil {
		loss := c.l.err() // before looking: what came before it is there by then
		if !c.slabs.look(&c.view) {
			if loss == nil {
				return nil, fabric.ErrEmpty
			}
			return nil, c.check()
		}
		b = c.view.record()
	}
	c.taken.Store(c.taken.Load() + 1)
	return b, nil
}

// Drain implements fabric.Consumer.
func (c *consumer) Drain(limit int, f func(record []byte) error) (int, error) {
	for n := range limit {
		record, err := c.Next()
		if err != nil && n > 0 {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if err := borrow.Lend(record, f); err != nil {
			c.view.at -= prefixBytes + len(record)
			c.taken.Store(c.taken.Load() - 1)
			return n, err
		}
	}
	return limit, nil
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
	if err := c.advance(n, stable); err != nil {
		return err
	}
	c.slabs.release(n, c.view.slab)
	wake(c.mail)
	return nil
}

func (c *consumer) advance(n uint64, stable []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if taken := c.taken.Load(); n < c.acked || n > taken {
		return fmt.Errorf("ack of %d records, must be %d to %d", n, c.acked, taken)
	}
	c.acked, c.unsent = n, true
	if stable != nil {
		c.stable.bytes, c.stable.unread = append(c.stable.bytes[:0], stable...), true
	}
	return nil
}

// Wait implements fabric.Consumer.
func (c *consumer) Wait(ctx context.Context) error {
	for {
		loss := c.l.err() // before looking at closed: Close ends the link too
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case c.closed.Load():
			return fabric.ErrClosed
		case c.arrived.Load() > c.taken.Load():
			return nil
		case loss != nil && c.lossKnown.Load():
			return loss
		case loss != nil:
			return nil
		}
		select {
		case <-c.news:
		case <-c.l.ended:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// Close implements fabric.Consumer. Acks given before it are sent first. It blocks until the owner has confirmed, at most
// three heartbeats; an error says that it has not.
func (c *consumer) Close() error {
	c.closing.Do(func() {
		c.closed.Store(true)
		close(c.done)
		<-c.reported
		c.closeErr = c.l.depart()
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

// handle takes in what the owner says.
func (c *consumer) handle(f frame) error {
	switch f.kind {
	case kindBeat:
		return nil
	case kindSeal:
		return decodeRefusal(f.payload)
	case kindRecords, kindPiece:
	default:
		return fmt.Errorf("%v frame to a consumer: %w", f.kind, fabric.ErrCorrupt)
	}
	if c.closed.Load() {
		return nil // nobody will read it
	}
	err := c.in.take(f)
	c.slabs.publish() // the records before a bad one are good
	c.arrived.Store(c.in.next)
	wake(c.news)
	return err
}

// report sends notes and acks until the link ends or Close is called; then what is left.
func (c *consumer) report() {
	defer close(c.reported)
	for closing := false; !closing; {
		select {
		case <-c.mail:
		case <-c.done:
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
