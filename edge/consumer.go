package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"

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
		if _, err := position.DecodeVector(resume.Append(nil)); err != nil {
			return nil, fmt.Errorf("edge %s: positions of the store: %w", name, err)
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
func (c *Consumer[T]) Relocate(ctx context.Context) error { return c.in.relocate(ctx) }

// Stats returns the counters of this side.
func (c *Consumer[T]) Stats() api.EdgeReport { return c.in.report() }

// Close tells the producer what is acknowledged, as far as that is possible at once, and detaches. What was popped and
// not acknowledged will come again to the next consumer. Idempotent; afterwards all calls return ErrClosed.
func (c *Consumer[T]) Close(context.Context) error { return c.in.close() }
