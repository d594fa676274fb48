package tcp

import (
	"context"
	"encoding/binary"
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
// Records are put together here as they will lie in the ring, and sent by Flush, or when there are enough of them. That blocks
// while the connection is full, which the owner's reading keeps short: what is within the credit has a place there.
type producer struct {
	l         *link
	recordMax int
	fallback  func() // to be called when the owner says that records come in frames after all; nil: it is not to say so. Of the goroutine that reads

	// Of the goroutine that is in the calls.
	batch   fabric.Batch // its Run is what out sends, whether or not it is lent
	lent    bool         // by Begin
	claimed int          // bytes claimed by Claim, or none
	lacking bool         // short is set
	out     *outbox

	credit    atomic.Uint64 // how far the ring may be written: stored by handle, loaded by the calls
	short     atomic.Uint64 // how far the last claim wanted to write in vain, or zero: stored by the calls, loaded by Wait
	lossKnown atomic.Bool   // a call has returned the loss: stored there, loaded by Wait
	closed    atomic.Bool   // stored by Close, loaded by all calls
	closing   sync.Once
	closeErr  error
	want      sign
	news      chan struct{} // wakes Wait; of capacity one
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
		l: l, recordMax: fabric.RecordMax(capacity), claimed: none,
		news: make(chan struct{}, 1), done: make(chan struct{}),
	}
	p.batch = fabric.MakeBatch((*writer)(p))
	p.out = newOutbox(l, &p.batch, capacity)
	p.credit.Store(uint64(capacity)) // the ring is new and empty
	return p
}

// open begins to listen to the owner.
func (p *producer) open() *producer {
	p.l.tasks.Go(func() { p.l.receive(p.handle) })
	return p
}

// Generation returns the ring's generation.
func (p *producer) Generation() fence.Epoch { return p.l.generation }

var (
	errClaimed    = errors.New("a claim is open already: commit or abort it first")
	errNotClaimed = errors.New("nothing is claimed")
	errLent       = errors.New("a batch is open: end it first")
	errBatchOver  = errors.New("the batch has ended")
)

// free returns what stands in the way of a claim or a batch.
func (p *producer) free() error {
	switch err := p.check(); {
	case err != nil:
		return err
	case p.lent:
		return errLent
	case p.claimed != none:
		return errClaimed
	}
	return nil
}

// Claim implements fabric.Producer.
func (p *producer) Claim(n int) ([]byte, error) {
	if err := p.free(); err != nil {
		return nil, err
	}
	b, err := p.claim(n)
	if err == nil {
		p.claimed = n
	}
	return b, err
}

func (p *producer) claim(n int) ([]byte, error) {
	switch {
	case n < 0:
		return nil, fmt.Errorf("claim of %d bytes", n)
	case n > p.recordMax:
		return nil, fmt.Errorf("%d bytes, at most %d: %w", n, p.recordMax, fabric.ErrTooLarge)
	}
	run := &p.batch.Run
	if wanted := run.At + fabric.RecordBytes(n); wanted > p.credit.Load() {
		return nil, p.full(wanted)
	}
	if p.lacking {
		p.lacking = false
		p.short.Store(0)
	}
	if uint64(n) > run.Max {
		return p.out.claim(n), nil
	}
	p.out.begin()
	at := run.At - run.Base + fabric.HeaderBytes
	return run.Data[at : at+uint64(n) : at+uint64(n)], nil
}

// full sends what there is, because acks can only follow what was seen, and says how far this side wants to write.
func (p *producer) full(wanted uint64) error {
	if err := p.checked(p.out.flush()); err != nil {
		return err
	}
	if p.short.Load() != wanted {
		p.lacking = true
		p.short.Store(wanted)
		if err := p.checked(p.l.send(kindShort, 0, wanted, nil)); err != nil {
			return err
		}
	}
	return fabric.ErrFull
}

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
	return p.commit(n)
}

func (p *producer) commit(n int) error {
	run := &p.batch.Run
	if uint64(n) > run.Max {
		return p.checked(p.out.commit())
	}
	binary.LittleEndian.PutUint64(run.Data[run.At-run.Base:], fabric.Header(run.Seed, run.At, uint32(n), 1))
	run.At += fabric.RecordBytes(n)
	run.Count++
	if run.At < run.Due {
		return nil
	}
	return p.checked(p.out.flush())
}

// Abort implements fabric.Producer.
func (p *producer) Abort() { p.claimed = none }

// SetMode implements fabric.Producer. Who waits for a network sleeps.
func (p *producer) SetMode(fabric.Mode) {}

// Flush implements fabric.Producer.
func (p *producer) Flush() error {
	if err := p.check(); err != nil {
		return err
	}
	return p.checked(p.out.flush())
}

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
		case loss != nil || p.hasNews() || p.want.isNew():
			p.want.read() // or whoever does not ask would wait no more
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

// Close implements fabric.Producer. It blocks until the owner has confirmed that it has what was flushed, or has been silent
// for three heartbeats; an error says that it has not.
func (p *producer) Close() error {
	p.closing.Do(func() {
		p.closed.Store(true)
		close(p.done)
		p.closeErr = p.l.depart(0)
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

// wake makes a receive from c possible, if none is yet.
func wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
