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

// position is how far somebody has come: in the row at place, if left is not zero, or else behind one.
type position struct {
	place
	cursor uint64 // bytes since the ring began
	count  uint64 // records
	row    fabric.Row
	left   uint64 // of the row
}

// begin begins with the row at p, and reports whether there can be one.
func (p *position) begin(seed uint32, longest uint64) bool {
	var ok bool
	p.row, ok = fabric.ReadHeader(seed, p.cursor, p.header(), longest)
	if ok = ok && p.row.Bytes() <= uint64(p.end-p.at); ok {
		p.left = p.row.Count
	}
	return ok
}

// rest returns what is left of the row.
func (p *position) rest() fabric.Records {
	from := p.at + fabric.HeaderBytes
	to := from + int((p.left-1)*p.row.Stride+p.row.Length)
	return fabric.Records{Data: p.buf[from:to:to], N: int(p.left), Bytes: int(p.row.Length), Stride: int(p.row.Stride)}
}

// pass goes past n records of the row. Its header is passed with the last one.
func (p *position) pass(n uint64) {
	bytes := n * p.row.Stride
	if n == p.left {
		bytes += fabric.HeaderBytes
	}
	p.at += int(bytes)
	p.cursor += bytes
	p.count += n
	p.left -= n
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

// Next implements fabric.Consumer.
func (c *consumer) Next() ([]byte, error) {
	r, err := c.Peek()
	if err != nil {
		return nil, err
	}
	c.Skip(1)
	return r.At(0), nil
}

// Peek implements fabric.Peeker.
func (c *consumer) Peek() (r fabric.Records, err error) {
	switch read := &c.read; {
	case c.closed.Load():
		return r, fabric.ErrClosed
	case read.left > 0:
		return read.rest(), nil
	case read.at == read.end:
		if err := c.more(); err != nil {
			return r, err
		}
	}
	if !c.read.begin(c.seed, c.recordMax) {
		return r, c.damaged()
	}
	return c.read.rest(), nil
}

// Skip implements fabric.Peeker.
func (c *consumer) Skip(n int) {
	if n > 0 {
		c.read.pass(uint64(n))
	}
}

func (c *consumer) damaged() error {
	_ = c.l.fail(fmt.Errorf("%w: record %d, at byte %d: bad header %016x", fabric.ErrCorrupt, c.read.count, c.read.cursor, c.read.header()))
	return c.check()
}

// more looks for records where read has found none.
func (c *consumer) more() error {
	loss := c.l.err() // before looking: what came before it is there by then
	if c.slabs.look(&c.read.place) {
		return nil
	}
	c.taken.Store(c.read.cursor)
	if loss != nil {
		return c.check()
	}
	if c.done.cursor != c.told {
		c.tell()
	}
	return fabric.ErrEmpty
}

// Drain implements fabric.Consumer.
func (c *consumer) Drain(limit int, f func(record []byte) error) (int, error) {
	enough := c.read.cursor + c.capacity/8
	for n := range limit {
		before := c.read
		if before.cursor >= enough {
			return n, nil
		}
		record, err := c.Next()
		if err != nil && n > 0 {
			return n, nil
		}
		if err == nil {
			err = borrow.Lend(record, f)
		}
		if err != nil {
			c.read = before
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
