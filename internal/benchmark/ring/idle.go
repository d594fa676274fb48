package ring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/position"
)

// idle measures what a process uses whose edges all rest: both sides of each are in it, every consumer waits in Pop.
func (b *bench) idle(ctx context.Context) (figures.Line, error) {
	l := flow.Load{Bytes: 64, Batch: 1, Warm: 2 * time.Second, For: 4 * b.c.For}
	pairs, err := figures.InTurns(b.c.Runs, func() (figures.Figure, error) {
		r, err := b.rig.Run(ctx, l, []party.Process{b.child("idle", Task{Task: taskIdle, Load: l}, nil)}, nil)
		f := figures.Figure{Value: 100 * r.CPU / r.Seconds}
		b.logf("%s\tgrafnode\t%.3f %% of a core\t%s", caseIdle, f.Value, r.Note)
		return f, err
	}, nil)
	if err != nil {
		return figures.Line{}, err
	}
	line := figures.Sum(caseIdle, "", "% of a core", pairs)
	line.Setting = &figures.Setting{Payload: fmt.Sprintf("%d edges, none moves", idleEdges), Placement: "one process, any core",
		Waiting: fabric.Balanced.String(), Checks: entry}
	return line, nil
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
	p, err := edge.Produce[flow.Item64](ctx, party.NewCluster(&party.Sides{Config: arena.Config(), Producer: out}), party.Edge)
	if err != nil {
		return err
	}
	c, err := edge.Consume[flow.Item64](ctx, party.NewCluster(&party.Sides{Config: arena.Config(), Consumer: in}), party.Edge)
	if err != nil {
		return err
	}
	if err := p.Push(ctx, position.Position{Offset: 1}, flow.Item64{}); err != nil {
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
func closeAnyway(ctx context.Context, p *edge.Producer[flow.Item64]) error {
	if err := p.Close(ctx); err != nil && !errors.Is(err, edge.ErrUnacked) {
		return err
	}
	return nil
}
