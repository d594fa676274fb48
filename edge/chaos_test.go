package edge_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// chaos is an edge under random faults. Items are numbers from 1; the consumers' store has how many were done, in order.
type chaos struct {
	t     *testing.T
	c     *edgetest.Cluster
	items int
	burst int           // so many are pushed without a pause, and acknowledged together
	opts  []edge.Option // of both sides

	mu      sync.Mutex // of all below
	fence   fence.Epoch
	done    int // in the consumers' store
	trimmed int // the source's cursor
	struck  []string
}

// trim moves the source's cursor, which never passes what has had its effect.
func (w *chaos) trim(upto position.Vector) (trimmed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if at, ok := upto.At(0); ok {
		w.trimmed = max(w.trimmed, int(at.Offset))
	}
	if w.trimmed > w.done {
		w.t.Errorf("acknowledged up to %d, done up to %d", w.trimmed, w.done)
	}
	return w.trimmed
}

// parcel is an item that takes some room: all of it is its number.
type parcel [64]int

func parcelOf(item int) (p parcel) {
	for i := range p {
		p[i] = item
	}
	return p
}

// claim is rule 5, and commit rule 12, for the store of the consumers.
func (w *chaos) claim(e fence.Epoch) (done int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fence = max(w.fence, e)
	return w.done
}

func (w *chaos) commit(e fence.Epoch, item parcel) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e < w.fence {
		return edge.ErrFenced
	}
	if item != parcelOf(w.done+1) {
		w.t.Errorf("item %v after %d", item, w.done)
	}
	w.done = item[0]
	return nil
}

// met counts, over all seeds, the faults that struck.
type met struct {
	mu    sync.Mutex
	count map[string]int
}

func (m *met) add(of map[string]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, n := range of {
		m.count[name] += n
	}
}

// TestChaos has rings, spares, leases, processes, hosts and the registry fail at random, in all the ways that edgetest knows,
// and loses nothing, does nothing twice, acknowledges nothing early and keeps no more than its window.
func TestChaos(t *testing.T) {
	runs, all := 200, met{count: map[string]int{}}
	if os.Getenv("GRAFNODE_CI") != "" {
		runs = 10_000
	}
	edgetest.Seeds(t, runs, func(t *testing.T, seed uint64) { all.add(runChaos(t, seed)) })
	if runs < 1000 || os.Getenv("GRAFNODE_SEED") != "" || t.Failed() {
		return
	}
	for _, f := range edgetest.Faults() { // a run that meets nothing would find nothing
		require.Positive(t, all.count[f.Name], f.Name)
	}
}

func runChaos(t *testing.T, seed uint64) map[string]int {
	r := rand.New(rand.NewPCG(seed, 6))
	w := &chaos{t: t, c: edgetest.New(), items: 120, burst: 1}
	w.c.Judge(t.Errorf)
	w.c.SetThrifty()
	w.c.SetLocal(r.IntN(2) == 0)
	if r.IntN(3) == 0 {
		w.c.SetNodes(1) // no spares
	}
	if codec, err := edge.Fixed[parcel](); r.IntN(2) == 0 {
		require.NoError(t, err)
		w.items, w.burst, w.opts = 600, 1+r.IntN(40), []edge.Option{edge.UseCodec(codec)}
		if r.IntN(2) == 0 {
			w.opts = append(w.opts, edge.Unchecked())
		}
	}
	defer w.c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { w.stage(ctx, "source", w.source) })
	all.Go(func() { w.stage(ctx, "sink", w.sink) })
	x := edgetest.NewTrouble(w.c, seed)
	w.vex(x, r)
	all.Wait()
	if context.Cause(ctx) != nil || w.done != w.items || w.trimmed != w.items || t.Failed() {
		t.Errorf("done %d, trimmed %d of %d; %v; what happened: %s", w.done, w.trimmed, w.items, context.Cause(ctx), strings.Join(w.struck, ", "))
	}
	return x.Done()
}

// vex has things happen: while all wait, and between two steps.
func (w *chaos) vex(x *edgetest.Trouble, r *rand.Rand) {
	defer x.Relent()
	strike := func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.struck = append(w.struck, x.Strike()...)
	}
	for range r.IntN(40) {
		time.Sleep(time.Duration(r.ExpFloat64() * float64(100*time.Millisecond)))
		strike()
		if r.IntN(2) == 0 {
			w.c.AtStep(1+r.IntN(20), strike)
		}
	}
}

// stage runs one process after the other until one succeeds.
func (w *chaos) stage(ctx context.Context, name string, run func(context.Context, *edgetest.Client) error) {
	for ctx.Err() == nil {
		cl := w.c.Client(name)
		live, kill := context.WithCancel(ctx)
		go func() {
			select {
			case <-cl.Killed():
				kill()
			case <-live.Done():
			}
		}()
		err := run(live, cl)
		killed := live.Err() != nil
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
	p, err := edge.Produce[parcel](ctx, cl, "e", append(w.opts, edge.Capacity(fabric.CapacityMin))...)
	if err != nil {
		return err
	}
	defer p.Close(canceled())
	for i := w.trim(position.Vector{}) + 1; i <= w.items; i++ {
		if err := p.Push(ctx, at(i), parcelOf(i)); err != nil {
			return err
		}
		if i%w.burst != 0 {
			continue
		}
		time.Sleep(20 * time.Millisecond)
		w.trim(p.Acked())
		if kept := p.Stats().RetainBytes; kept > fabric.CapacityMin {
			w.t.Errorf("%d bytes retained", kept)
		}
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
	in, err := edge.Consume[parcel](ctx, cl, "e", append(w.opts, edge.ResumeFrom(func(_ context.Context, e fence.Epoch) (position.Vector, error) {
		epoch, done = e, w.claim(e)
		if done == 0 {
			return position.Vector{}, nil
		}
		return position.VectorOf(at(done)), nil
	}))...)
	if err != nil {
		return err
	}
	defer in.Close(canceled())
	for done < w.items {
		m, err := in.Pop(ctx)
		if err == nil {
			err = cl.Running(ctx) // a zombie's write comes when it wakes
		}
		if err == nil {
			err = w.commit(epoch, m.Value)
		}
		if err != nil {
			return err
		}
		if done = m.Value[0]; done%7 == 0 {
			time.Sleep(time.Duration(done) * time.Millisecond / 8)
		}
		if done%w.burst != 0 && done != w.items {
			continue
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
