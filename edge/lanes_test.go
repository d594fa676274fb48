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

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/position"
)

// lanes is chaos on an edge of several lanes, which are acknowledged at paces of their own by consumers that have no store.
type lanes struct {
	*chaos
	cursor position.Vector // the source's
	acked  position.Vector // by the consumers
}

// laneCount is how many; item i, from 0, is of lane i%laneCount.
const laneCount = 3

func inLane(i int) position.Position {
	return position.Position{Lane: position.Lane(i % laneCount), Offset: uint64(i/laneCount + 1)}
}

// TestChaosOfLanes: whoever consumes is given each lane from what is acknowledged of it, or before, and nothing is missing from there on.
func TestChaosOfLanes(t *testing.T) {
	runs := 100
	if os.Getenv("GRAFNODE_CI") != "" {
		runs = 2000
	}
	edgetest.Seeds(t, runs, func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 9))
		w := &lanes{chaos: &chaos{t: t, c: edgetest.New(), items: 300, burst: 1 + r.IntN(20)}}
		w.c.Judge(t.Errorf)
		w.c.SetThrifty()
		w.c.SetLocal(r.IntN(2) == 0)
		if codec, err := edge.Fixed[parcel](); r.IntN(2) == 0 {
			require.NoError(t, err)
			w.opts = []edge.Option{edge.UseCodec(codec), edge.Unchecked()}
		}
		defer w.c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() { w.stage(ctx, "source", w.source) })
		all.Go(func() { w.stage(ctx, "sink", w.sink) })
		w.vex(edgetest.NewTrouble(w.c, seed), r)
		all.Wait()
		if context.Cause(ctx) != nil || t.Failed() {
			t.Errorf("%v; cursor %v, acknowledged %v; what happened: %s", context.Cause(ctx), w.cursor, w.acked, strings.Join(w.struck, ", "))
		}
	})
}

// over moves the source's cursor and reports whether it is at the end.
func (w *lanes) over(acked position.Vector) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cursor = w.cursor.Max(acked)
	for i := range laneCount {
		if !w.cursor.Covers(inLane(w.items - 1 - i)) {
			return false
		}
	}
	return true
}

func (w *lanes) source(ctx context.Context, cl *edgetest.Client) error {
	p, err := edge.Produce[parcel](ctx, cl, "e", append(w.opts, edge.Capacity(fabric.CapacityMin))...)
	if err != nil {
		return err
	}
	defer p.Close(canceled())
	w.mu.Lock()
	from := w.cursor
	w.mu.Unlock()
	for i := range w.items {
		if from.Covers(inLane(i)) {
			continue
		}
		if err := p.Push(ctx, inLane(i), parcelOf(i)); err != nil {
			return err
		}
		if i%w.burst == 0 {
			time.Sleep(15 * time.Millisecond)
			w.over(p.Acked())
		}
	}
	for seen := p.Acked(); !w.over(seen); {
		if seen, err = p.WaitAcked(ctx, seen); err != nil {
			return err
		}
	}
	return nil
}

func (w *lanes) sink(ctx context.Context, cl *edgetest.Client) error {
	in, err := edge.Consume[parcel](ctx, cl, "e", w.opts...)
	if err != nil {
		return err
	}
	defer in.Close(canceled())
	var have [laneCount]uint64
	for !w.over(position.Vector{}) {
		soon, stop := context.WithTimeout(ctx, 50*time.Millisecond)
		m, err := in.Pop(soon)
		stop()
		idle := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		switch {
		case err == nil:
			w.took(m, have[m.Pos.Lane])
			have[m.Pos.Lane] = m.Pos.Offset
		case !idle:
			return err
		}
		if lane := rand.IntN(laneCount); have[lane] > 0 && (idle || rand.IntN(10) == 0) {
			if err := w.ack(ctx, cl, in, position.Position{Lane: position.Lane(lane), Offset: have[lane]}); err != nil {
				return err
			}
		}
	}
	return nil
}

// took judges an item by the last one of its lane that the same consumer had, zero if it had none.
func (w *lanes) took(m edge.Msg[parcel], had uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	acked, _ := w.acked.At(m.Pos.Lane)
	if had == 0 && m.Pos.Offset > acked.Offset+1 || had != 0 && m.Pos.Offset != had+1 {
		w.t.Errorf("item %v after %d, acknowledged up to %d", m.Pos, had, acked.Offset)
	}
	if m.Value != parcelOf(m.Value[0]) || m.Pos != inLane(m.Value[0]) {
		w.t.Errorf("item %v at %v", m.Value, m.Pos)
	}
}

func (w *lanes) ack(ctx context.Context, cl *edgetest.Client, in *edge.Consumer[parcel], p position.Position) error {
	if err := cl.Running(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	w.acked = w.acked.With(p)
	w.mu.Unlock()
	return in.Ack(p)
}
