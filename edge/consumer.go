package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/position"
)

// Msg is an item with its identity. Without the option Marks, Kind is always handoff.Item.
type Msg[T any] struct {
	Value T
	Pos   position.Position
	Kind  handoff.Kind
}

// Consumer is the popping side of an edge. One goroutine pops; all other methods are safe for concurrent use.
type Consumer[T any] struct {
	codec Codec[T]
	in    *receiver
	ended bool // without Marks: every lane that was seen has ended
	open  map[position.Lane]bool
}

// Consume opens the consuming side of an edge, taking the role first unless Claimed is given, then fencing the store given
// to ResumeFrom, and only then reading (rule 5). It blocks until the role is taken, not until a producer is there.
func Consume[T any](ctx context.Context, cl Cluster, name string, opts ...Option) (*Consumer[T], error) {
	o := apply(opts)
	codec, err := codecOf[T](o)
	if err != nil {
		return nil, err
	}
	claim, err := claimFor(ctx, cl, name, fabric.RoleConsumer, hash(codec.ID()), o, opts)
	if err != nil {
		return nil, err
	}
	var resume position.Vector
	if o.resume != nil {
		epoch := claim.Epoch(name, fabric.RoleConsumer)
		if resume, err = o.resume(ctx, epoch); err != nil {
			return nil, fmt.Errorf("edge %s: claim the store under epoch %d: %w", name, epoch, err)
		}
	}
	c := &Consumer[T]{codec: codec, in: startReceiver(cl, name, claim, resume, o), open: map[position.Lane]bool{}}
	if !o.marks {
		for _, p := range resume.Positions() {
			c.see(Msg[T]{Pos: p})
		}
	}
	return c, nil
}

// Pop returns the next item. It blocks until there is one, through any number of relocations, and returns ctx's cause, what
// ended the role, or, without Marks, io.EOF once every lane that brought anything has ended. An item that cannot be decoded
// is an error that names its position; popping again goes on after it.
func (c *Consumer[T]) Pop(ctx context.Context) (Msg[T], error) {
	for {
		if c.ended {
			return Msg[T]{}, io.EOF
		}
		msg := Msg[T]{}
		err := c.in.pop(ctx, func(e handoff.Entry) (err error) {
			msg.Pos, msg.Kind = e.Pos, e.Kind
			if e.Kind == handoff.Item {
				msg.Value, err = c.codec.Decode(e.Payload)
			}
			return err
		})
		if err != nil || c.in.marks {
			return msg, err
		}
		c.see(msg)
		if msg.Kind == handoff.Item {
			return msg, nil
		}
	}
}

// see follows which lanes are still open; once none of those that were seen is, the edge has ended.
func (c *Consumer[T]) see(msg Msg[T]) {
	c.open[msg.Pos.Lane] = !msg.Pos.IsEndOfLane()
	c.ended = !slices.Contains(slices.Collect(maps.Values(c.open)), true)
}

// All returns the items one by one. An error comes once, as the last pair; the end of all lanes ends the sequence without
// one. Breaking off leaves the consumer usable.
func (c *Consumer[T]) All(ctx context.Context) iter.Seq2[Msg[T], error] {
	return func(yield func(Msg[T], error) bool) {
		for {
			msg, err := c.Pop(ctx)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(msg, err) || err != nil {
				return
			}
		}
	}
}

// Ack says that the item at pos, and everything before it in its lane, has had its effect, durably, and need never come
// again. It does not block; acknowledgements travel in batches.
func (c *Consumer[T]) Ack(pos position.Position) error { return c.in.ack(pos) }

// Epoch returns the epoch of the role, under which stores are to be written: the generation of its takeover.
func (c *Consumer[T]) Epoch() fence.Epoch {
	return c.in.link.claim.Epoch(c.in.link.name, fabric.RoleConsumer)
}

// Generation returns the generation of the ring that is bound, or being bound.
func (c *Consumer[T]) Generation() fence.Epoch { return c.in.link.record().Generation }

// Locator returns where that ring lies.
func (c *Consumer[T]) Locator() locator.Locator { return c.in.link.record().Locator }

// Relocate moves the edge to a new ring: a planned move, which nobody needs for recovery.
func (c *Consumer[T]) Relocate(ctx context.Context) error { return c.in.link.relocate(ctx) }

// Stats returns the counters of this side.
func (c *Consumer[T]) Stats() api.EdgeReport { return c.in.report() }

// Close tells the producer what is acknowledged, as far as that is possible at once, and detaches. What was popped and
// not acknowledged will come again to the next consumer. Idempotent; afterwards all calls return ErrClosed.
func (c *Consumer[T]) Close(context.Context) error { return c.in.close() }

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
			e, fresh, err = c.r.Accept(b)
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

func (c *receiver) report() api.EdgeReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.count.report(c.link.name, fabric.RoleConsumer, c.r.Generation())
	r.Retained = uint64(c.r.Pending())
	return r
}
