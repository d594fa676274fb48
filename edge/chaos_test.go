package edge_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// chaos is an edge under random faults. Items are numbers from 1; the consumers' store has how many were done, in order.
type chaos struct {
	t     *testing.T
	r     *rand.Rand // of whoever breaks things
	c     *edgetest.Cluster
	items int

	mu    sync.Mutex // of all below
	procs []mortal
	store struct {
		fence fence.Epoch
		done  int
	}
	trimmed int // the source's cursor
}

func (w *chaos) trim(upto position.Vector) (trimmed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, ok := upto.At(0); ok {
		w.trimmed = max(w.trimmed, int(at.Offset))
	}
	return w.trimmed
}

// claim is rule 5, and commit rule 12, for the store of the consumers.
func (w *chaos) claim(e fence.Epoch) (done int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.store.fence = max(w.store.fence, e)
	return w.store.done
}

func (w *chaos) commit(e fence.Epoch, item int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e < w.store.fence {
		return edge.ErrFenced
	}
	if item != w.store.done+1 {
		w.t.Errorf("item %d after %d", item, w.store.done)
	}
	w.store.done = item
	return nil
}

type mortal struct {
	*edgetest.Client
	kill context.CancelFunc
}

// TestChaos has rings, spares, leases, processes and the registry fail at random, and loses nothing and does nothing twice.
// A failure names its seed: GRAFNODE_SEED=n runs that one.
func TestChaos(t *testing.T) {
	seeds, first := uint64(60), uint64(0)
	if one, err := strconv.ParseUint(os.Getenv("GRAFNODE_SEED"), 10, 64); err == nil {
		seeds, first = 1, one
	} else if os.Getenv("GRAFNODE_CI") != "" {
		seeds = 2000
	}
	for seed := first; seed < first+seeds; seed++ {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { runChaos(t, seed) }) })
	}
}

func runChaos(t *testing.T, seed uint64) {
	w := &chaos{t: t, r: rand.New(rand.NewPCG(seed, 5)), c: edgetest.New(), items: 400}
	defer w.c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	over := make(chan struct{})
	go w.stage(ctx, "source", over, w.source)
	go w.stage(ctx, "sink", over, w.sink)
	for range w.r.IntN(60) {
		time.Sleep(time.Duration(w.r.ExpFloat64() * float64(300*time.Millisecond)))
		w.fault()
	}
	w.c.SetReachable(true)
	w.c.SetNodes(3)
	w.mu.Lock()
	for _, p := range w.procs {
		p.SetReachable(true)
	}
	w.mu.Unlock()
	<-over
	<-over
	require.NoError(t, context.Cause(ctx), "done: %d, trimmed: %d", w.store.done, w.trimmed)
	require.Equal(t, w.items, w.store.done)
	require.Equal(t, w.items, w.trimmed)
}

// stage runs one process after the other until one succeeds.
func (w *chaos) stage(ctx context.Context, name string, over chan<- struct{}, run func(context.Context, *edgetest.Client) error) {
	defer func() { over <- struct{}{} }()
	for ctx.Err() == nil {
		cl := w.c.Client(name)
		ctx, kill := context.WithCancel(ctx)
		w.mu.Lock()
		w.procs = append(w.procs, mortal{cl, kill})
		w.mu.Unlock()
		err := run(ctx, cl)
		killed := ctx.Err() != nil
		kill()
		if err == nil {
			return
		}
		if !errors.Is(err, edge.ErrFenced) && !errors.Is(err, api.ErrSessionLost) && !killed {
			w.t.Errorf("%s: %v", name, err)
		}
	}
}

func (w *chaos) source(ctx context.Context, cl *edgetest.Client) error {
	p, err := edge.Produce[int](ctx, cl, "e")
	if err != nil {
		return err
	}
	defer p.Close(canceled())
	for i := w.trim(position.Vector{}) + 1; i <= w.items; i++ {
		if err := p.Push(ctx, at(i), i); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond)
		w.trim(p.Acked())
	}
	for seen := (position.Vector{}); w.trim(seen) < w.items; {
		if seen, err = p.WaitAcked(ctx, seen); err != nil {
			return err
		}
	}
	return nil
}

func (w *chaos) sink(ctx context.Context, cl *edgetest.Client) error {
	var epoch fence.Epoch
	done := 0
	in, err := edge.Consume[int](ctx, cl, "e", edge.ResumeFrom(func(_ context.Context, e fence.Epoch) (position.Vector, error) {
		epoch, done = e, w.claim(e)
		if done == 0 {
			return position.Vector{}, nil
		}
		return position.VectorOf(at(done)), nil
	}))
	if err != nil {
		return err
	}
	defer in.Close(canceled())
	for done < w.items {
		m, err := in.Pop(ctx)
		if err == nil {
			err = w.commit(epoch, m.Value)
		}
		if err != nil {
			return err
		}
		if done = m.Value; done%7 == 0 {
			time.Sleep(time.Duration(done) * time.Millisecond / 8)
		}
		if err := in.Ack(m.Pos); err != nil {
			return err
		}
	}
	for w.trim(position.Vector{}) < w.items { // the source is to know
		if time.Sleep(10 * time.Millisecond); ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := in.Ack(at(w.items)); err != nil {
			return err
		}
	}
	return nil
}

// fault does one thing that may happen.
func (w *chaos) fault() {
	w.mu.Lock()
	p := w.procs[w.r.IntN(len(w.procs))]
	w.mu.Unlock()
	on := w.r.IntN(2) == 0
	for range 1 + w.r.IntN(2) { // often two at once
		switch w.r.IntN(12) {
		case 0:
			w.c.LoseRing("e")
		case 1:
			w.c.LoseSpare("e")
		case 2:
			p.LoseRing("e")
		case 3:
			p.LoseSpare("e")
		case 4:
			w.c.Revoke("e")
		case 5:
			w.c.EndSpare("e")
		case 6:
			p.SetReachable(on)
		case 7:
			w.c.SetReachable(on || w.r.IntN(2) == 0)
		case 8:
			p.Kill()
			p.kill()
		case 9:
			p.EndSession()
		case 11:
			w.c.Seal("e")
		case 10:
			w.c.SetNodes(1 + w.r.IntN(4))
		}
	}
}
