package stream_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a cluster and what outlives the processes in it.

type world struct {
	t         *testing.T
	cluster   *edgetest.Cluster
	registry  *durabletest.Registry
	processes atomic.Int32
	last      *edgetest.Client
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cluster: edgetest.New(), registry: &durabletest.Registry{}}
	t.Cleanup(w.cluster.Close)
	return w
}

func (w *world) client() *edgetest.Client {
	return w.cluster.Client(fmt.Sprintf("process-%d", w.processes.Add(1)))
}

// again is a process that begins when the last one has ended.

func (w *world) again() *edgetest.Client {
	if w.last != nil {
		w.last.EndSession()
	}
	w.last = w.client()
	return w.last
}

func (w *world) cursors() stream.Option {
	return stream.CheckpointIn(func(key string) durable.Store { return durable.NewRegister(w.registry, key) })
}

// cursor is what the registry has for the source.

func (w *world) cursor() position.Vector {
	value := w.registry.Value("p.ingest")
	if len(value) == 0 {
		return position.Vector{}
	}
	v, err := position.DecodeVector(value[1:])
	require.NoError(w.t, err)
	return v
}

func numbers(n int) source.Slice[int] {
	s := make(source.Slice[int], n)
	for i := range s {
		s[i] = i + 1
	}
	return s
}

func double(_ context.Context, v int) (int, error) { return 2 * v, nil }

func odd(v int) bool { return v%2 == 1 }

// upTo makes v outputs, at most 3, of v.

func upTo(_ context.Context, v int) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for k := range v % 4 {
			if !yield(fmt.Sprintf("%d.%d", v, k), nil) {
				return
			}
		}
	}
}

// describe is the pipeline of most tests: numbers, odd, doubled, several texts of each.

func (w *world) describe(cl edge.Cluster, n int, sink stream.Sink[string], opts ...stream.Option) *stream.Pipeline {
	p := stream.New(cl, "p", append([]stream.Option{w.cursors(), stream.Checkpoint(time.Millisecond)}, opts...)...)
	ns := stream.From(p, "ingest", numbers(n))
	odds := stream.Filter(ns, "odd", odd)
	doubled := stream.Map(odds, "double", double, stream.Workers(3))
	texts := stream.FlatMap(doubled, "texts", upTo)
	stream.To(texts, "store", sink, stream.BatchOf(50, time.Millisecond))
	return p
}

func expected(n int) []string {
	var want []string
	for v := 1; v <= n; v++ {
		if odd(v) {
			for s := range upTo(context.Background(), 2*v) {
				want = append(want, s)
			}
		}
	}
	return want
}

func TestAllStagesInOneProcess(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	p := w.describe(w.client(), 1000, &sink)
	require.Equal(t, []string{"ingest", "odd", "double", "texts", "store"}, p.Stages())
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, expected(1000), sink.Values())
	end, ok := sink.Done().At(0)
	require.True(t, ok)
	require.True(t, end.IsEndOfLane(), "the end is committed too")
}

func TestEachStageInItsOwnProcess(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	var all sync.WaitGroup
	for _, name := range []string{"store", "double", "ingest", "texts", "odd"} {
		all.Go(func() {
			p := w.describe(w.client(), 500, &sink)
			if err := p.Run(t.Context(), stream.Stages(name)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	require.Equal(t, expected(500), sink.Values())
	for _, name := range []string{"ingest", "odd", "double", "texts"} {
		_, ok := w.cluster.Edge("p." + name)
		require.True(t, ok)
	}
}

func TestNothingToDo(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	require.NoError(t, w.describe(w.client(), 0, &sink).Run(t.Context()))
	require.Empty(t, sink.Items())
}

// All input is filtered, much more of it than an edge holds: marks move the source on.

func TestEverythingFiltered(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[int]
	p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin))
	none := stream.Filter(stream.From(p, "ingest", numbers(20_000)), "none", func(int) bool { return false })
	stream.To(none, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Empty(t, sink.Items())
}

func TestAnEndedPipelineEndsAgain(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	for range 3 {
		require.NoError(t, w.describe(w.again(), 100, &sink).Run(t.Context()))
		require.Equal(t, expected(100), sink.Values())
	}
}

// endless yields numbers until its context ends.

type endless struct{}

func (endless) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[int], error] {
	return func(yield func(stream.Item[int], error) bool) {
		done, _ := from.At(0)
		for n := done.Offset + 1; ctx.Err() == nil; n++ {
			if !yield(stream.Item[int]{Pos: position.Position{Offset: n}, Value: int(n)}, nil) {
				return
			}
		}
	}
}

// A cancelled Run drains: what the source has read is committed, the cursor stands there, and the next Run goes on.

func TestCancelDrains(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[int]
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		committed := 0
		p := stream.New(w.again(), "p", w.cursors(), stream.Observe(stream.Events{Committed: func(_ string, items int) {
			if committed += items; committed > 500 {
				cancel()
			}
		}}))
		doubled := stream.Map(stream.From(p, "ingest", endless{}), "double", double, stream.Workers(2))
		stream.To(doubled, "store", &sink)
		require.ErrorIs(t, p.Run(ctx), context.Canceled)
		last, _ := sink.Done().At(0)
		require.Equal(t, len(sink.Items()), int(last.Offset), "no gap, no repeat")
		require.True(t, w.cursor().Equal(sink.Done()))
	}
	for i, v := range sink.Values() {
		require.Equal(t, 2*(i+1), v)
	}
}

// A drain that cannot succeed ends in time.

func TestDrainIsBounded(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := w.describe(w.client(), 10, &streamtest.Sink[string]{}, stream.Drain(time.Millisecond), stream.Observe(stream.Events{
		Started: func(string, fence.Epoch) { cancel() },
	}))
	require.ErrorIs(t, p.Run(ctx, stream.Stages("ingest")), context.Canceled)
}

func TestWorkersKeepTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var sink streamtest.Sink[int]
		p := stream.New(w.client(), "p", w.cursors())
		var running, most atomic.Int32
		slow := stream.Map(stream.From(p, "ingest", numbers(300)), "slow", func(_ context.Context, v int) (int, error) {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			defer running.Add(-1)
			time.Sleep(time.Duration(v%7) * time.Millisecond) // of the bubble's time: workers overtake one another
			return v, nil
		}, stream.Workers(8))
		stream.To(slow, "store", &sink)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int(numbers(300)), sink.Values())
		require.Equal(t, int32(8), most.Load())
	})
}
