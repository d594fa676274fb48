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

// producer is the writing side of a ring on another node.
//
// Records are put together here and sent by Flush, or by Commit when a frame is full; both write to the connection and block
// while it is full, which the owner's reading keeps short. Room is reckoned with the most that a record can take, so this
// side may find a ring full that has a few bytes left.
type producer struct {
	l         *link
	recordMax int

	// Of the goroutine that is in the calls.
	out     *outbox
	claimed int    // length of the open claim, or none
	sent    uint64 // cost of all records committed

	credit    atomic.Uint64 // what all records may cost: stored by receive, loaded by Claim
	short     atomic.Uint64 // the credit that the last Claim lacked, or zero: stored by Claim, loaded by Wait and ask
	lossKnown atomic.Bool   // a call has returned the loss: stored there, loaded by Wait
	closed    atomic.Bool   // stored by Close, loaded by all calls
	batch     fabric.Batch
	closing   sync.Once
	closeErr  error
	news      chan struct{} // wakes Wait; of capacity one
	lack      chan struct{} // wakes ask; of capacity one
	done      chan struct{} // closed by Close

	mu     sync.Mutex // guards what follows, shared with receive
	resume note
	stable note
}

// note is a note from the consumer.
type note struct {
	bytes  []byte
	set    bool
	unread bool
}

const none = -1

func newProducer(l *link, capacity int) *producer {
	p := &producer{
		l: l, recordMax: fabric.RecordMax(capacity),
		out: newOutbox(l), claimed: none,
		news: make(chan struct{}, 1), lack: make(chan struct{}, 1), done: make(chan struct{}),
	}
	p.batch = fabric.MakeBatch(batchWriter{p})
	p.credit.Store(uint64(capacity)) // the ring is new and empty
	l.tasks.Go(l.beat)
	l.tasks.Go(func() { l.receive(p.handle) })
	l.tasks.Go(p.ask)
	return p
}

// Generation returns the ring's generation.
func (p *producer) Generation() fence.Epoch { return p.l.generation }

// Claim implements fabric.Producer.
func (p *producer) Claim(n int) ([]byte, error) {
	switch err := p.check(); {
	case err != nil:
		return nil, err
	case p.claimed != none:
		return nil, errClaimed
	case n < 0:
		return nil, fmt.Errorf("claim of %d bytes", n)
	case n > p.recordMax:
		return nil, fmt.Errorf("%d bytes, at most %d: %w", n, p.recordMax, fabric.ErrTooLarge)
	}
	if needed := p.sent + cost(n); needed > p.credit.Load() {
		if p.short.Swap(needed) != needed {
			wake(p.lack)
		}
		return nil, fabric.ErrFull
	}
	p.short.Store(0)
	p.claimed = n
	return p.out.claim(n), nil
}

var (
	errClaimed    = errors.New("a claim is open already: commit or abort it first")
	errNotClaimed = errors.New("nothing is claimed")
)

// Commit implements fabric.Producer.
func (p *producer) Commit() error {
	n := p.claimed
	p.claimed = none
	if err := p.check(); err != nil {
		return err
	}
	if n == none {
		return errNotClaimed
	}
	p.sent += cost(n)
	return p.checked(p.out.commit(n))
}

// Abort implements fabric.Producer.
func (p *producer) Abort() { p.claimed = none }

// Flush implements fabric.Producer.
func (p *producer) Flush() error {
	if err := p.check(); err != nil {
		return err
	}
	return p.checked(p.out.flush())
}

// Begin implements fabric.Producer.
func (p *producer) Begin() (*fabric.Batch, error) {
	switch err := p.check(); {
	case err != nil:
		return nil, err
	case p.claimed != none:
		return nil, errClaimed
	}
	return &p.batch, nil
}

// batchWriter is the producer as a Batch needs it: what it commits is sent when there is no more room.
type batchWriter struct{ *producer }

func (w batchWriter) Claim(n int) ([]byte, error) {
	b, err := w.producer.Claim(n)
	if errors.Is(err, fabric.ErrFull) {
		if err := w.Flush(); err != nil {
			return nil, err
		}
	}
	return b, err
}

// SetMode implements fabric.Producer. Who waits for a network sleeps.
func (p *producer) SetMode(fabric.Mode) {}

// Resume implements fabric.Producer.
func (p *producer) Resume() ([]byte, bool, error) {
	if err := p.check(); err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resume.unread = false
	return slices.Clone(p.resume.bytes), p.resume.set, nil
}

// Stable implements fabric.Producer.
func (p *producer) Stable() ([]byte, bool, error) {
	if err := p.check(); err != nil {
		return nil, false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stable.unread {
		return nil, false, nil
	}
	p.stable.unread = false
	return slices.Clone(p.stable.bytes), true, nil
}

// Wait implements fabric.Producer.
func (p *producer) Wait(ctx context.Context) error {
	for {
		loss := p.l.err() // before looking at closed: Close ends the link too
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case p.closed.Load():
			return fabric.ErrClosed
		case loss != nil && p.lossKnown.Load():
			return loss
		case loss != nil || p.hasNews():
			return nil
		}
		select {
		case <-p.news:
		case <-p.l.ended:
		case <-p.done:
		case <-ctx.Done():
		}
	}
}

func (p *producer) hasNews() bool {
	if short := p.short.Load(); short != 0 && p.credit.Load() >= short {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.resume.unread || p.stable.unread
}

// Close implements fabric.Producer. It blocks until the owner has confirmed that it has what was flushed, at most three
// heartbeats; an error says that it has not.
func (p *producer) Close() error {
	p.closing.Do(func() {
		p.closed.Store(true)
		close(p.done)
		p.closeErr = p.l.depart()
	})
	return p.closeErr
}

// check returns why this side is of no use any more, or nil.
func (p *producer) check() error {
	loss := p.l.err() // before looking at closed: Close ends the link too
	switch {
	case p.closed.Load():
		return fabric.ErrClosed
	case loss != nil:
		p.lossKnown.Store(true)
	}
	return loss
}

// checked turns an error of the link into the one to return.
func (p *producer) checked(err error) error {
	if err == nil {
		return nil
	}
	if err := p.check(); err != nil {
		return err
	}
	return err
}

// ask tells the owner what credit Claim lacks, until the link ends. It is a goroutine of its own because Claim may not block.
func (p *producer) ask() {
	for {
		select {
		case <-p.lack:
		case <-p.l.ended:
			return
		}
		if short := p.short.Load(); short > p.credit.Load() && p.l.send(kindShort, 0, short, nil) != nil {
			return // the link has ended
		}
	}
}

// handle takes in what the owner says.
func (p *producer) handle(f frame) error {
	switch f.kind {
	case kindBeat:
		return nil
	case kindSeal:
		return decodeRefusal(f.payload)
	case kindCredit:
		if f.number < p.credit.Load() {
			return fmt.Errorf("credit fell from %d to %d: %w", p.credit.Load(), f.number, fabric.ErrCorrupt)
		}
		p.credit.Store(f.number)
	case kindResume:
		if !p.put(&p.resume, f.payload) {
			return fmt.Errorf("second resume note: %w", fabric.ErrCorrupt)
		}
	case kindStable:
		p.put(&p.stable, f.payload)
	default:
		return fmt.Errorf("%v frame to a producer: %w", f.kind, fabric.ErrCorrupt)
	}
	wake(p.news)
	return nil
}

// put sets n and reports whether that was the first time.
func (p *producer) put(n *note, b []byte) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = !n.set
	n.bytes = append(n.bytes[:0], b...)
	n.set, n.unread = true, true
	return first
}

// wake makes a receive from c possible, if none is yet.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
