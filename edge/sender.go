package edge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/internal/turn"
	"github.com/grafnode/grafnode/position"
)

// sender is a Producer without its type. It owns three goroutines: the link's run, one that waits on the bound ring, and one
// that flushes what nobody else does. The ring and its batch are used under mu, but for Wait.
type sender struct {
	link     *link[fabric.Producer]
	cl       Cluster
	window   int // bytes that may be retained
	mode     fabric.Mode
	stop     context.CancelCauseFunc
	all      sync.WaitGroup // the goroutines
	kick     chan struct{}  // asks the flusher to publish
	closing  sync.Once
	closeErr error

	mu      turn.Turn // entered by whoever pushes; all others take it by lock
	s       handoff.Sender
	ring    fabric.Producer // nil while none is bound
	batch   *fabric.Batch   // of ring
	lent    bool            // by ring's Begin, so that End gives it back
	heeder  fabric.Heeder   // ring, if it is one; else nil
	keeps   bool            // ring is memory in which items can be kept
	eager   bool            // mode is LowLatency: show each item
	kicked  bool            // the flusher has been asked and has not begun
	marks   position.Vector // asked for by mark, not pushed yet
	changed chan struct{}   // closed and replaced when something that callers wait for has changed
	awaited bool            // somebody waits for changed
	waits   bool            // somebody did since the listener last woke
	err     error           // what ended the role
	first   bool            // the first new item of this generation has been reported
	count   counters
	moves   progress
	lag     lag
}

func startSender(cl Cluster, name string, claim *Roles, o options) *sender {
	ctx, stop := context.WithCancelCause(context.Background())
	p := &sender{
		cl: cl, window: int(claim.records[name].Capacity), mode: o.mode, eager: o.mode == fabric.LowLatency, stop: stop,
		kick: make(chan struct{}, 1), changed: make(chan struct{}),
	}
	p.link = newLink[fabric.Producer](ctx, cl, name, fabric.RoleProducer, claim, o, p)
	p.s.SetCheck(o.check)
	p.all.Go(p.link.run)
	p.all.Go(func() { p.flusher(ctx) })
	return p
}

// push retains an entry, whose payload is copied, and sends it if the ring has room.
func (p *sender) push(ctx context.Context, e handoff.Entry, wait bool) error {
	p.lock()
	defer p.mu.Unlock()
	if err := p.admit(ctx, e.Pos, e.Size(), wait); err != nil {
		return err
	}
	return p.add(e)
}

// admit waits until the window has room for an entry of so many bytes. mu is held, and given up in between.
func (p *sender) admit(ctx context.Context, pos position.Position, size int, wait bool) error {
	if err := p.fits(pos, size); err != nil {
		return err
	}
	for {
		if p.err != nil {
			return p.err
		}
		if p.holds(size) {
			return nil
		}
		if !wait {
			return ErrFull
		}
		if err := p.flushLocked(); err != nil { // acknowledgements follow what is seen
			return err
		}
		if err := p.await(ctx); err != nil {
			return err
		}
	}
}

// add retains an entry that was admitted, and sends it if the ring has room.
func (p *sender) add(e handoff.Entry) error {
	if err := p.s.Push(e); err != nil {
		return fmt.Errorf("edge %s: %w", p.link.name, err)
	}
	if e.Kind == handoff.Item {
		p.count.item(len(e.Payload))
	}
	if p.send() {
		return p.publish()
	}
	return nil
}

// publish shows the consumer what was just committed: at once if it waits for it, or if this side is to be quick; else when it
// asks, or when enough has gathered.
func (p *sender) publish() error {
	switch {
	case !p.lent:
		p.wakeFlusher()
	case p.eager || !p.batch.Hold():
		return p.flushLocked()
	}
	return nil
}

// fits refuses an entry that no ring of this edge takes.
func (p *sender) fits(pos position.Position, size int) error {
	if most := fabric.RecordMax(p.window); size > most {
		return fmt.Errorf("edge %s: item %v takes %d bytes, at most %d in a ring of %d: %w",
			p.link.name, pos, size, most, p.window, fabric.ErrTooLarge)
	}
	return nil
}

// await gives mu up until something has changed.
func (p *sender) await(ctx context.Context) error {
	changed := p.changed
	p.awaited, p.waits = true, true
	p.heed(true)
	p.mu.Unlock()
	defer p.lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *sender) broadcast() {
	if p.awaited {
		p.awaited = false
		close(p.changed)
		p.changed = make(chan struct{})
	}
}

// wakeFlusher is called with mu held.
func (p *sender) wakeFlusher() {
	if p.kicked {
		return
	}
	p.kicked = true
	select {
	case p.kick <- struct{}{}:
	default: // it has been asked already
	}
}

// send moves what the window has and the ring has room for, and reports whether that was anything. Called with mu held; a lost
// ring is reported to the link.
func (p *sender) send() (sent bool) {
	if p.batch == nil {
		return false
	}
	p.keep()
	for {
		e, seq := p.s.Next()
		if e == nil {
			return sent
		}
		b, err := p.batch.Claim(e.Size())
		if err == nil {
			p.s.Write(b, e, seq)
			err = p.batch.Commit()
		}
		if errors.Is(err, fabric.ErrFull) {
			p.heed(true)
			return sent
		}
		if err != nil {
			p.link.lost(p.s.Generation(), err)
			return false
		}
		if e.Kind == handoff.Item && !p.first {
			p.first = true
			p.link.first(p.s.Generation())
		}
		p.s.Sent()
		sent = true
	}
}

func (p *sender) acked() position.Vector {
	p.lock()
	defer p.mu.Unlock()
	p.catchUp()
	return p.s.Stable()
}

func (p *sender) waitAcked(ctx context.Context, seen position.Vector) (position.Vector, error) {
	p.lock()
	defer p.mu.Unlock()
	p.catchUp()
	for {
		if now := p.s.Stable(); !now.Equal(seen) {
			return now, nil
		}
		if p.err != nil {
			return seen, p.err
		}
		if err := p.await(ctx); err != nil {
			return seen, err
		}
	}
}

// fail ends the role.
func (p *sender) fail(err error) {
	p.lock()
	defer p.mu.Unlock()
	p.end(err)
}

// end is fail with mu held.
func (p *sender) end(err error) {
	if p.err == nil {
		p.err, p.keeps = err, false
		p.count.failed(err)
		p.broadcast()
	}
	p.stop(err)
}

func (p *sender) close(ctx context.Context) error {
	p.closing.Do(func() {
		p.pushMarks()
		_ = p.flush() // if it fails, so does drain
		p.closeErr = p.drain(ctx)
		p.fail(ErrClosed)
	})
	p.all.Wait()
	return p.closeErr
}

// drain waits until nothing is retained.
func (p *sender) drain(ctx context.Context) error {
	p.lock()
	defer p.mu.Unlock()
	p.catchUp()
	for {
		n, _ := p.s.Retained()
		if n == 0 {
			return nil
		}
		if p.err != nil {
			return fmt.Errorf("edge %s: %d records: %w: %w", p.link.name, n, ErrUnacked, p.err)
		}
		if err := p.await(ctx); err != nil {
			return fmt.Errorf("edge %s: %d records: %w: %w", p.link.name, n, ErrUnacked, err)
		}
	}
}

func (p *sender) relocate(ctx context.Context) error {
	p.lock()
	err := p.err
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.link.relocate(ctx)
}

func (p *sender) report() api.EdgeReport {
	p.lock()
	defer p.mu.Unlock()
	p.heed(true) // until the listener is woken and knows better; before the look, so that no ack of the item that is timed is missed
	p.catchUp()
	r := p.count.report(p.link.name, fabric.RoleProducer, p.s.Generation())
	n, bytes := p.s.Retained()
	p.link.report(&r)
	r.Repeats, r.Retained, r.RetainBytes = p.s.Repeats(), uint64(n), uint64(bytes)
	now := time.Now()
	newest, waits := p.s.Newest()
	r.Lag = p.lag.look(now, newest, waits)
	p.moves.stands(&r, now, taken{stable: p.s.Stable()})
	return r
}
