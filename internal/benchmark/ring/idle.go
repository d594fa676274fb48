package ring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/ends"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
	"github.com/grafnode/grafnode/position"
)

// settleFor is how long a process gets to finish what opening its edges began.
const settleFor = 2 * time.Second

// idle measures what a process uses whose edges all rest: both sides of each are in it, every consumer waits in Pop.
func (o *ours) idle(ctx context.Context, c suite.Case) (figures.Figure, error) {
	l := o.b.Load(c)
	l.Warm, l.For = settleFor, 4*l.For
	r, err := o.b.Rig.Run(ctx, l, []party.Process{o.child("idle", Task{Task: taskIdle, Load: l}, nil)}, nil)
	if err == nil && o.b.Log != nil {
		fmt.Fprintf(o.b.Log, "%s\t%s\n", c.Name, r.Note)
	}
	return c.Figure(r), err
}

// idle is the task: it opens the edges, moves one item over each, lets them rest, and reads its own processor time.
func idle(ctx context.Context, l flow.Load) (r flow.Result, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, idleEdges)
	var closes []func() error
	for range idleEdges {
		done, err := restingEdge(ctx, ended)
		closes = append(closes, done)
		if err != nil {
			return r, err
		}
	}
	time.Sleep(l.Warm) // what opening left to do
	began, before := time.Now(), party.CPU()
	time.Sleep(l.For)
	r = flow.Result{Items: idleEdges, Seconds: time.Since(began).Seconds(), CPU: (party.CPU() - before).Seconds(), Note: party.Threads()}
	stop()
	for range idleEdges {
		if e := <-ended; !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	for _, done := range closes {
		err = errors.Join(err, done())
	}
	return r, err
}

// restingEdge makes an edge with both its sides in this process, moves an item, and leaves its consumer waiting. done closes
// what there is, also after an error.
func restingEdge(ctx context.Context, ended chan<- error) (done func() error, err error) {
	arena, err := party.Arena(fabric.CapacityMin)
	if err != nil {
		return func() error { return nil }, err
	}
	if err := moveOne(ctx, arena, ended); err != nil {
		return arena.Close, err
	}
	return arena.Close, nil
}

func moveOne(ctx context.Context, arena fabric.Arena, ended chan<- error) error {
	out, err := arena.Producer()
	if err != nil {
		return err
	}
	in, err := arena.Consumer()
	if err != nil {
		return err
	}
	p, err := edge.Produce[ends.Item64](ctx, party.NewCluster(&party.Sides{Config: arena.Config(), Producer: out}), party.Edge)
	if err != nil {
		return err
	}
	c, err := edge.Consume[ends.Item64](ctx, party.NewCluster(&party.Sides{Config: arena.Config(), Consumer: in}), party.Edge)
	if err != nil {
		return err
	}
	if err := p.Push(ctx, position.Position{Offset: 1}, ends.Item64{}); err != nil {
		return err
	}
	m, err := c.Pop(ctx)
	if err == nil {
		err = c.Ack(m.Pos)
	}
	if err != nil {
		return err
	}
	go func() {
		_, err := c.Pop(ctx)
		ended <- errors.Join(err, c.Close(ctx), closeAnyway(ctx, p))
	}()
	return nil
}

// closeAnyway closes a producer under a context that has ended: everything may be unacknowledged.
func closeAnyway(ctx context.Context, p *edge.Producer[ends.Item64]) error {
	if err := p.Close(ctx); err != nil && !errors.Is(err, edge.ErrUnacked) {
		return err
	}
	return nil
}
