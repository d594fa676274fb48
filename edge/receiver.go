package edge

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// receiver is a Consumer without its type. It owns two goroutines: the link's run, and one that sends acknowledgements. The
// ring is used under mu, but for Wait.
type receiver struct {
	link  link[fabric.Consumer]
	marks bool
	stop  context.CancelCauseFunc
	all   sync.WaitGroup // the goroutines
	kick  chan struct{}  // asks the settler to send acknowledgements

	mu      sync.Mutex
	r       *handoff.Receiver
	ring    fabric.Consumer // nil while none is bound
	ringCtx context.Context // ends when ring is to be left
	changed chan struct{}   // closed and replaced when a ring is bound or the role ends
	err     error
	freed   uint64          // as last told to the bound ring
	stable  position.Vector // as last told to the bound ring
	first   bool
	count   counters
}

func startReceiver(cl Cluster, name string, claim *Roles, resume position.Vector, o options) *receiver {
	ctx, stop := context.WithCancelCause(context.Background())
	c := &receiver{
		marks: o.marks, stop: stop, kick: make(chan struct{}, 1),
		changed: make(chan struct{}), r: handoff.NewReceiver(resume, !o.marks),
	}
	c.link = link[fabric.Consumer]{
		cl: cl, name: name, role: fabric.RoleConsumer, claim: claim, events: o.events,
		attach: cl.AttachConsumer, install: c.install, remove: c.remove,
	}
	c.link.rec = claim.records[name]
	c.link.newest = c.link.rec
	c.all.Go(func() { c.fail(c.link.run(ctx)) })
	c.all.Go(func() { c.settler(ctx) })
	return c
}

// install binds a ring: it writes where to resume, then what is stable, and only then lets anybody read.
func (c *receiver) install(ctx context.Context, ring fabric.Consumer, rec api.Edge) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	resume, stable := c.r.Bind(rec.Generation)
	if err := ring.Ack(0, stable.Append([]byte{})); err != nil {
		return err
	}
	if err := ring.SetResume(resume.Append([]byte{})); err != nil {
		return err
	}
	c.ring, c.ringCtx, c.freed, c.stable, c.first = ring, ctx, 0, stable, false
	c.count.bound(rec.Reason)
	c.link.settle()
	c.broadcast()
	return nil
}

func (c *receiver) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring, c.ringCtx = nil, nil
	c.count.left()
}

func (c *receiver) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// pop gives the next new entry to take, which must not keep its payload.
func (c *receiver) pop(ctx context.Context, take func(handoff.Entry) error) error {
	for {
		got, wait, err := c.next(take)
		if got {
			return err
		}
		if err := wait(ctx); err != nil {
			return err
		}
	}
}

// next tries the bound ring once. Without an entry it returns how to wait for one.
func (c *receiver) next(take func(handoff.Entry) error) (got bool, wait func(context.Context) error, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return true, nil, c.err
	}
	if c.ring == nil || c.ringCtx.Err() != nil {
		return false, waitBound(c.changed), nil
	}
	for {
		b, err := c.ring.Next()
		if errors.Is(err, fabric.ErrEmpty) {
			return false, waitRing(c.ring, c.ringCtx), nil
		}
		var e handoff.Entry
		fresh := false
		if err == nil {
			fresh, err = c.r.Accept(b, &e)
		}
		if err != nil {
			c.link.lost(c.r.Generation(), err)
			return false, waitBound(c.changed), nil
		}
		if !fresh {
			c.count.repeats++
			c.wakeSettler()
			continue
		}
		c.accepted(e)
		if err := take(e); err != nil {
			return true, nil, fmt.Errorf("edge %s: item %v: %w", c.link.name, e.Pos, err)
		}
		return true, nil, nil
	}
}

// accepted counts a new entry.
func (c *receiver) accepted(e handoff.Entry) {
	if e.Kind != handoff.Item {
		c.wakeSettler() // a mark may acknowledge itself
		return
	}
	c.count.item(len(e.Payload))
	if !c.first {
		c.first = true
		c.count.rewired()
		c.link.events.firstItem(c.link.name, fabric.RoleConsumer, c.r.Generation())
	}
}

// waitBound waits until another ring is bound or the role ends.
func waitBound(changed <-chan struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		select {
		case <-changed:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// waitRing waits for news from a ring, until it is left.
func waitRing(ring fabric.Consumer, left context.Context) func(context.Context) error {
	return func(ctx context.Context) error {
		both, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		defer context.AfterFunc(left, func() { cancel(context.Cause(left)) })()
		if err := ring.Wait(both); err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil // whatever it was, next finds out
	}
}

func (c *receiver) ack(pos position.Position) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	if err := c.r.Ack(pos); err != nil {
		return fmt.Errorf("edge %s: %w", c.link.name, err)
	}
	c.wakeSettler()
	return nil
}

func (c *receiver) wakeSettler() {
	select {
	case c.kick <- struct{}{}:
	default: // it has been asked already
	}
}

// settler tells the ring what is acknowledged, in batches as large as they become while it is at work.
func (c *receiver) settler(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
			c.settle()
		}
	}
}

func (c *receiver) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	freed, stable := c.r.Freed()
	if c.ring == nil || (freed == c.freed && stable.Equal(c.stable)) {
		return
	}
	var note []byte
	if !stable.Equal(c.stable) {
		note = stable.Append([]byte{})
	}
	if err := c.ring.Ack(freed, note); err != nil {
		c.link.lost(c.r.Generation(), err)
		return
	}
	c.freed, c.stable = freed, stable
}

func (c *receiver) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		c.count.failed(err)
		c.broadcast()
	}
	c.stop(err)
}

func (c *receiver) close() error {
	c.settle()
	c.fail(ErrClosed)
	c.all.Wait()
	return nil
}

func (c *receiver) relocate(ctx context.Context) error {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.link.relocate(ctx)
}

func (c *receiver) report() api.EdgeReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.count.report(c.link.name, fabric.RoleConsumer, c.r.Generation())
	r.Retained = uint64(c.r.Pending())
	return r
}
