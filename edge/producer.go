package edge

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/position"
)

// Producer is the pushing side of an edge. All methods are safe for concurrent use; positions must grow within a lane, so
// in practice one goroutine pushes.
type Producer[T any] struct {
	codec Codec[T]
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
	claim, err := claimFor(ctx, cl, name, fabric.RoleProducer, hash(codec.ID()), o, opts)
	if err != nil {
		return nil, err
	}
	return &Producer[T]{codec: codec, out: startSender(cl, name, claim, o)}, nil
}

// Push takes an item to be delivered and keeps it until its acknowledgement. It blocks while the window is full, through
// any number of relocations, and returns ctx's cause, ErrTooLarge, or what ended the role.
func (p *Producer[T]) Push(ctx context.Context, pos position.Position, v T) error {
	e, err := p.encode(pos, v)
	if err != nil {
		return err
	}
	return p.out.push(ctx, e, true)
}

// TryPush is Push without waiting: ErrFull if the window is full.
func (p *Producer[T]) TryPush(pos position.Position, v T) error {
	e, err := p.encode(pos, v)
	if err != nil {
		return err
	}
	return p.out.push(context.Background(), e, false)
}

// Check reports why Push would refuse an item for what it is: it cannot be encoded, or it is too large. It pushes nothing.
func (p *Producer[T]) Check(pos position.Position, v T) error {
	e, err := p.encode(pos, v)
	if err != nil {
		return err
	}
	return p.out.fits(e)
}

func (p *Producer[T]) encode(pos position.Position, v T) (handoff.Entry, error) {
	b, err := p.codec.Append(nil, v)
	if err != nil {
		return handoff.Entry{}, fmt.Errorf("edge %s: item %v: %w", p.out.link.name, pos, err)
	}
	return handoff.Entry{Pos: pos, Kind: handoff.Item, Payload: b}, nil
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
