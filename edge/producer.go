package edge

import (
	"context"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/layout"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/position"
)

// Producer is the pushing side of an edge. One goroutine at a time may be in Push, TryPush and PushBatch: a lock for each item would cost
// as much as the item. Two at once get ErrBusy, if that is noticed, as it is nearly always. All other methods are safe for concurrent use.
type Producer[T any] struct {
	codec Codec[T]
	sized sized[T] // codec, if it is one of ours that needs no scratch memory, else nil
	fixed bool     // it copies items as they are
	out   *sender
}

// Produce opens the producing side of an edge, taking the role first unless Claimed is given. It blocks until the role is
// taken, not until a consumer is there: until then Push fills the window.
func Produce[T any](ctx context.Context, cl Cluster, name string, opts ...Option) (*Producer[T], error) {
	o := apply(opts)
	codec, err := codecOf[T](o)
	if err != nil {
		return nil, err
	}
	claim, err := claimFor(ctx, cl, name, fabric.RoleProducer, hash(idOf(codec)), o, opts)
	if err != nil {
		return nil, err
	}
	p := &Producer[T]{codec: codec, out: startSender(cl, name, claim, o)}
	p.sized, _ = codec.(sized[T])
	_, p.fixed = codec.(fixedCodec[T])
	return p, nil
}

// Push takes an item to be delivered and keeps it until its acknowledgement. Positions must grow within a lane. It blocks while the window is full, through
// any number of relocations, and returns ctx's cause, ErrTooLarge, or what ended the role.
func (p *Producer[T]) Push(ctx context.Context, pos position.Position, v T) error {
	if p.fixed && p.quick(pos, &v) {
		return nil
	}
	return p.push(ctx, pos, v, true)
}

// quick is push for most of the items that are copied as they are.
func (p *Producer[T]) quick(pos position.Position, v *T) bool {
	if !p.out.mu.Enter() {
		return false
	}
	b := p.out.s.Straight(pos)
	if b == nil && p.out.reopen(layout.Size[T](), pos) {
		b = p.out.s.Straight(pos)
	}
	if b != nil {
		layout.Put(b, v)
	}
	p.out.mu.Exit()
	return b != nil
}

// TryPush is Push without waiting: ErrFull if the window is full.
func (p *Producer[T]) TryPush(pos position.Position, v T) error {
	return p.push(context.Background(), pos, v, false)
}

func (p *Producer[T]) push(ctx context.Context, pos position.Position, v T, wait bool) error {
	if p.sized == nil {
		return p.pushEncoded(ctx, pos, v, wait)
	}
	if !p.out.mu.Enter() {
		return p.busy(pos)
	}
	if p.straight(pos, &v) {
		p.out.mu.Exit()
		return nil
	}
	p.out.mu.Exit()
	p.out.lock()
	defer p.out.mu.Unlock()
	return p.addSized(ctx, pos, v, wait)
}

// straight pushes an item straight into the ring, and reports whether it did.
func (p *Producer[T]) straight(pos position.Position, v *T) bool {
	n := layout.Size[T]()
	if !p.fixed {
		n = p.sized.size(*v)
	}
	b := p.out.straight(n)
	switch {
	case b == nil:
		return false
	case p.fixed:
		layout.Put(b[handoff.HeaderBytes:], v)
	default:
		p.sized.put(b[:handoff.HeaderBytes], *v)
	}
	return p.out.straightDone(b, pos)
}

// PushBatch pushes items in order, each as Push does, for less than so many Pushes cost. It returns how many were pushed; their
// Kind is not looked at.
func (p *Producer[T]) PushBatch(ctx context.Context, items []Msg[T]) (n int, err error) {
	for ; n < len(items); n++ {
		if err := p.push(ctx, items[n].Pos, items[n].Value, true); err != nil {
			return n, err
		}
	}
	return n, nil
}

// addSized pushes an item whose codec needs no scratch memory. Called with the edge locked.
func (p *Producer[T]) addSized(ctx context.Context, pos position.Position, v T, wait bool) error {
	n := p.sized.size(v)
	if err := p.out.admit(ctx, pos, handoff.HeaderBytes+n, wait); err != nil {
		return err
	}
	b := p.sized.put(p.out.s.Room(n), v)
	return p.out.add(handoff.Entry{Pos: pos, Kind: handoff.Item, Payload: b})
}

// scratch is memory to encode in: a user's codec is not called with the edge locked.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// scratchMax bounds what is kept for the next item.
const scratchMax = 64 << 10

func (p *Producer[T]) pushEncoded(ctx context.Context, pos position.Position, v T, wait bool) error {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	b, err := p.encode((*buf)[:0], pos, v)
	if err != nil {
		return err
	}
	if cap(b) <= scratchMax {
		*buf = b
	}
	if !p.out.mu.Enter() {
		return p.busy(pos)
	}
	done := false
	if record := p.out.straight(len(b)); record != nil {
		copy(record[handoff.HeaderBytes:], b)
		done = p.out.straightDone(record, pos)
	}
	p.out.mu.Exit()
	if done {
		return nil
	}
	return p.out.push(ctx, handoff.Entry{Pos: pos, Kind: handoff.Item, Payload: b}, wait)
}

func (p *Producer[T]) busy(pos position.Position) error {
	return fmt.Errorf("edge %s: item %v: %w", p.out.link.name, pos, ErrBusy)
}

// Check reports why Push would refuse an item for what it is: it cannot be encoded, or it is too large. It pushes nothing.
func (p *Producer[T]) Check(pos position.Position, v T) error {
	b, err := p.encode(nil, pos, v)
	if err != nil {
		return err
	}
	return p.out.fits(pos, handoff.HeaderBytes+len(b))
}

func (p *Producer[T]) encode(b []byte, pos position.Position, v T) ([]byte, error) {
	b, err := p.codec.Append(b, v)
	if err != nil {
		return nil, fmt.Errorf("edge %s: item %v: %w", p.out.link.name, pos, err)
	}
	return b, nil
}

// Mark says that everything up to pos is out, so that the consumer can move on past input that made no output. It is sent
// at once with the next item, or alone after a millisecond. It does not block.
func (p *Producer[T]) Mark(pos position.Position) error { return p.out.mark(pos) }

// End says that a lane has nothing more, ever. It is kept and sent like an item.
func (p *Producer[T]) End(ctx context.Context, lane position.Lane) error {
	return p.out.push(ctx, handoff.Entry{Pos: position.EndOfLane(lane), Kind: handoff.End}, true)
}

// Flush makes everything pushed visible to the consumer, as far as the ring has room. It does not wait for a ring.
func (p *Producer[T]) Flush() error { return p.out.flush() }

// Acked returns what is acknowledged, lane by lane.
func (p *Producer[T]) Acked() position.Vector { return p.out.acked() }

// WaitAcked blocks until what is acknowledged differs from seen, and returns it.
func (p *Producer[T]) WaitAcked(ctx context.Context, seen position.Vector) (position.Vector, error) {
	return p.out.waitAcked(ctx, seen)
}

// Epoch returns the epoch of the role: the generation of its takeover.
func (p *Producer[T]) Epoch() fence.Epoch {
	return p.out.link.claim.Epoch(p.out.link.name, fabric.RoleProducer)
}

// Generation returns the generation of the ring that is bound, or being bound.
func (p *Producer[T]) Generation() fence.Epoch { return p.out.link.record().Generation }

// Locator returns where that ring lies.
func (p *Producer[T]) Locator() locator.Locator { return p.out.link.record().Locator }

// Relocate moves the edge to a new ring: a planned move, which nobody needs for recovery.
func (p *Producer[T]) Relocate(ctx context.Context) error { return p.out.relocate(ctx) }

// Stats returns the counters of this side.
func (p *Producer[T]) Stats() api.EdgeReport { return p.out.report() }

// Close waits until everything pushed is acknowledged, then detaches. If ctx ends first it detaches all the same and
// returns ErrUnacked with ctx's cause. Idempotent; afterwards all calls return ErrClosed.
func (p *Producer[T]) Close(ctx context.Context) error { return p.out.close(ctx) }
