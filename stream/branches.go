package stream

import (
	"context"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/position"
)

// everyBranch stands for all edges that a stage produces.
const everyBranch = -1

// branches are the edges that an instance of a stage produces. One goroutine pushes; a full branch makes it wait, and so the
// others, too.
type branches[T any] []*edge.Producer[T]

// produceAll opens all edges that st produces. With an error it returns those that are open.
func produceAll[T any](ctx context.Context, p *Pipeline, st *stage, opts []edge.Option) (branches[T], error) {
	var b branches[T]
	for _, to := range st.outs {
		out, err := edge.Produce[T](ctx, p.cl, to.name, opts...)
		if err != nil {
			return b, err
		}
		b = append(b, out)
	}
	return b, nil
}

// push pushes an item to a branch, or to all, and returns to how many it went.
func (b branches[T]) push(ctx context.Context, branch int, pos position.Position, v T) (n int, err error) {
	if branch != everyBranch {
		if err := b[branch].Push(ctx, pos, v); err != nil {
			return 0, err
		}
		return 1, nil
	}
	for n, out := range b {
		if err := out.Push(ctx, pos, v); err != nil {
			return n, err
		}
	}
	return len(b), nil
}

func (b branches[T]) mark(pos position.Position) error {
	for _, out := range b {
		if err := out.Mark(pos); err != nil {
			return err
		}
	}
	return nil
}

func (b branches[T]) end(ctx context.Context, lane position.Lane) error {
	for _, out := range b {
		if err := out.End(ctx, lane); err != nil {
			return err
		}
	}
	return nil
}

func (b branches[T]) flush() error {
	for _, out := range b {
		if err := out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

func (b branches[T]) detach() {
	for _, out := range b {
		detach(out)
	}
}

func (b branches[T]) stats() (sides []func() api.EdgeReport) {
	for _, out := range b {
		sides = append(sides, out.Stats)
	}
	return sides
}

// follow calls settle with what is acknowledged of out, each time that this moves, until settled ends.
func follow[T any](ctx, settled context.Context, out *edge.Producer[T], settle func(position.Vector) error) error {
	var seen position.Vector
	for {
		acked, err := out.WaitAcked(settled, seen)
		if err != nil {
			if settled.Err() != nil && ctx.Err() == nil {
				return nil
			}
			return err
		}
		seen = acked
		if err := settle(acked); err != nil {
			return err
		}
	}
}

// waitAcked waits until all of upto is acknowledged of out.
func waitAcked[T any](ctx context.Context, out *edge.Producer[T], upto position.Vector) error {
	acked := out.Acked()
	for !acked.Max(upto).Equal(acked) {
		var err error
		if acked, err = out.WaitAcked(ctx, acked); err != nil {
			return err
		}
	}
	return nil
}
