package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/layout"
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
	into  Into[T] // codec, if it can, else nil
	fixed bool    // it copies items as they are
	in    *receiver
	lanes seen
}

// Consume opens the consuming side of an edge, taking the role first unless Claimed is given, then fencing the store given
// to ResumeFrom, and only then reading (rule 5). It blocks until the role is taken, not until a producer is there.
func Consume[T any](ctx context.Context, cl Cluster, name string, opts ...Option) (*Consumer[T], error) {
	o := apply(opts)
	codec, err := codecOf[T](o)
	if err != nil {
		return nil, err
	}
	claim, err := claimFor(ctx, cl, name, fabric.RoleConsumer, hash(idOf(codec)), o, opts)
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
	c := &Consumer[T]{codec: codec}
	c.into, _ = codec.(Into[T])
	_, c.fixed = codec.(fixedCodec[T])
	c.in = startReceiver(cl, name, claim, resume, o)
	if !o.marks {
		for _, p := range resume.Positions() {
			c.lanes.see(p)
		}
	}
	return c, nil
}

// Pop returns the next item. It blocks until there is one, through any number of relocations, and returns ctx's cause, what
// ended the role, or, without Marks, io.EOF once every lane that brought anything has ended. An item that cannot be decoded
// is an error that names its position; popping again goes on after it.
func (c *Consumer[T]) Pop(ctx context.Context) (msg Msg[T], err error) {
	if c.quick(&msg) {
		return msg, nil
	}
	return c.popOne(ctx)
}

func (c *Consumer[T]) popOne(ctx context.Context) (msg Msg[T], err error) {
	var e handoff.Entry
	inPlace, err := c.pop(ctx, &e, true)
	if err != nil {
		return msg, err
	}
	if inPlace {
		defer c.in.mu.Unlock()
	}
	msg.Pos, msg.Kind = e.Pos, e.Kind
	if e.Kind == handoff.Item {
		if msg.Value, err = c.codec.Decode(e.Payload); err != nil {
			err = c.bad(&e, err)
		}
	}
	return msg, err
}

// quick is Pop for an item that is in the inbox and is copied as it is.
func (c *Consumer[T]) quick(msg *Msg[T]) bool {
	in := &c.in.inbox
	if !c.fixed || in.empty() || c.in.over.Load() {
		return false
	}
	pos := &in.pos[in.next]
	if !c.in.marks && !c.lanes.among(*pos) {
		return false
	}
	if in.size == 0 {
		if in.heads[in.next].kind != handoff.Item || !layout.Copy(&msg.Value, in.copied()) {
			return false
		}
		in.skip()
	} else {
		if !in.mu.Enter() {
			return false
		}
		item := layout.View[T](in.lying())
		if item != nil {
			msg.Value = *item
		}
		in.mu.Exit()
		if item == nil {
			return false
		}
		in.skipLying()
	}
	msg.Pos, msg.Kind = *pos, handoff.Item
	return true
}

// PopInto is Pop into the caller's memory. Where the codec is an Into, as for []byte, fixed layouts and types with UnmarshalBinary
// (which is called on the item before), the item's own memory is used again and nothing is allocated.
func (c *Consumer[T]) PopInto(ctx context.Context, msg *Msg[T]) error {
	return c.popInto(ctx, msg, true)
}

func (c *Consumer[T]) popInto(ctx context.Context, msg *Msg[T], wait bool) error {
	if c.quick(msg) {
		return nil
	}
	var e handoff.Entry
	inPlace, err := c.pop(ctx, &e, wait)
	if err != nil {
		return err
	}
	if inPlace {
		defer c.in.mu.Unlock()
	}
	msg.Pos, msg.Kind = e.Pos, e.Kind
	switch {
	case e.Kind != handoff.Item:
	case c.into != nil:
		err = c.into.DecodeInto(e.Payload, &msg.Value)
	default:
		msg.Value, err = c.codec.Decode(e.Payload)
	}
	if err != nil {
		return c.bad(&e, err)
	}
	return nil
}

// PopBatch fills msgs by PopInto with what is there, one at least, and returns how many. An error comes with those before it.
func (c *Consumer[T]) PopBatch(ctx context.Context, msgs []Msg[T]) (n int, err error) {
	for n < len(msgs) {
		err := c.popInto(ctx, &msgs[n], n == 0)
		if errors.Is(err, errNone) {
			break
		}
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// View is Pop without decoding, in place: f is called with the item's encoding, which it must neither change nor keep after it has
// returned. Payloads of more than 1 KiB lie in the ring then, smaller ones in a copy that was made of many at once. Built with the tag fabricdebug it is overwritten then. f may acknowledge, but not pop
// or close. Marks come with an empty payload. The error is f's, or Pop's.
func (c *Consumer[T]) View(ctx context.Context, f func(pos position.Position, kind handoff.Kind, payload []byte) error) error {
	var e handoff.Entry
	inPlace, err := c.pop(ctx, &e, true)
	if err != nil {
		return err
	}
	if inPlace {
		c.in.beginView()
		defer c.in.endView()
	}
	return lend(e.Payload, func(b []byte) error { return f(e.Pos, e.Kind, b) })
}

// pop gives the next entry that this consumer delivers. See receiver.pop.
func (c *Consumer[T]) pop(ctx context.Context, e *handoff.Entry, wait bool) (inPlace bool, err error) {
	for {
		if c.lanes.over {
			return false, io.EOF
		}
		if inPlace, err = c.in.pop(ctx, e, wait); err != nil || c.in.marks {
			return inPlace, err
		}
		c.lanes.see(e.Pos)
		if e.Kind == handoff.Item {
			return inPlace, nil
		}
	}
}

func (c *Consumer[T]) bad(e *handoff.Entry, err error) error {
	return fmt.Errorf("edge %s: item %v: %w", c.in.link.name, e.Pos, err)
}

// seen follows which of the lanes that brought anything are still open.
type seen struct {
	open map[position.Lane]bool
	last position.Lane // it is open, if any is
	over bool          // none is open, and there were some
}

// among reports whether p is of the lane that was seen last, and see has nothing to do.
func (s *seen) among(p position.Position) bool {
	return s.open != nil && p.Lane == s.last && !s.over && p.Offset != position.OffsetMax
}

func (s *seen) see(p position.Position) {
	ends := p.IsEndOfLane()
	if s.open != nil && p.Lane == s.last && !ends && !s.over {
		return
	}
	if s.open == nil {
		s.open = map[position.Lane]bool{}
	}
	s.open[p.Lane] = !ends
	if !ends {
		s.last, s.over = p.Lane, false
		return
	}
	s.over = true
	for lane, open := range s.open {
		if open {
			s.last, s.over = lane, false
			return
		}
	}
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
// again. It does not block; acknowledgements travel in batches, and a millisecond later at the latest. A position that the edge
// has not taken from its ring yet is refused with handoff.ErrAckAhead.
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
