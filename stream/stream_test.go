package stream_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
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

func numbers(n int) source.Slice[int] {
	s := make(source.Slice[int], n)
	for i := range s {
		s[i] = i + 1
	}
	return s
}

func double(_ context.Context, v int) (int, error) { return 2 * v, nil }
func odd(v int) bool                               { return v%2 == 1 }

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
			for s := range upTo(nil, 2*v) {
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
		value, found, err := durable.NewRegister(w.registry, "p.ingest").Fence(t.Context(), 0)
		require.ErrorIs(t, err, fence.ErrFenced, "%v %v", value, found)
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
	w := newWorld(t)
	var sink streamtest.Sink[int]
	p := stream.New(w.client(), "p", w.cursors())
	var running, most atomic.Int32
	slow := stream.Map(stream.From(p, "ingest", numbers(300)), "slow", func(_ context.Context, v int) (int, error) {
		n := running.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		defer running.Add(-1)
		time.Sleep(time.Duration(v%7) * 100 * time.Microsecond) // workers overtake one another
		return v, nil
	}, stream.Workers(8))
	stream.To(slow, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int(numbers(300)), sink.Values())
	require.LessOrEqual(t, most.Load(), int32(8))
}

var errWeather = errors.New("bad weather")

// Items that are rejected, or fail too often, go to the dead letters once; the rest flows.
func TestDeadLetters(t *testing.T) {
	for _, workers := range []int{1, 4} {
		w := newWorld(t)
		var sink streamtest.Sink[int]
		var dead streamtest.Sink[stream.Rejected]
		var tries sync.Map
		p := stream.New(w.client(), "p", w.cursors())
		parsed := stream.Map(stream.From(p, "ingest", numbers(100)), "parse", func(_ context.Context, v int) (int, error) {
			n, _ := tries.LoadOrStore(v, new(atomic.Int32))
			try := n.(*atomic.Int32).Add(1)
			switch {
			case v%10 == 0:
				return 0, stream.Reject(fmt.Sprintf("%d is round", v))
			case v%10 == 5:
				return 0, errWeather
			case v%10 == 7 && try < 3:
				return 0, errWeather
			}
			return v, nil
		}, stream.Workers(workers), stream.Retry(2, time.Microsecond), stream.DeadLetter(&dead))
		stream.To(parsed, "store", &sink)
		require.NoError(t, p.Run(t.Context()))
		var good []int
		var bad []stream.Rejected
		for v := 1; v <= 100; v++ {
			switch v % 10 {
			case 0:
				bad = append(bad, stream.Rejected{Stage: "p.parse", Reason: fmt.Sprintf("%d is round", v), Attempts: 1, Value: v})
			case 5:
				bad = append(bad, stream.Rejected{Stage: "p.parse", Reason: "bad weather", Attempts: 3, Value: v})
			default:
				good = append(good, v)
			}
		}
		require.Equal(t, good, sink.Values())
		require.Equal(t, bad, dead.Values())
	}
}

func TestWithoutDeadLettersAPoisonedItemEndsTheRun(t *testing.T) {
	w := newWorld(t)
	p := stream.New(w.client(), "p", w.cursors())
	bad := stream.Map(stream.From(p, "ingest", numbers(3)), "parse", func(context.Context, int) (int, error) {
		return 0, stream.Reject("never")
	})
	stream.To(bad, "store", &streamtest.Sink[int]{})
	err := p.Run(t.Context())
	require.ErrorIs(t, err, stream.ErrRejected)
	require.ErrorContains(t, err, "stage parse: item 0:1")
}

// An output that no ring can take is the input's failure, not the pipeline's end.
func TestAnOutputThatIsTooLargeIsRejected(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	var dead streamtest.Sink[stream.Rejected]
	p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin))
	grown := stream.Map(stream.From(p, "ingest", numbers(5)), "grow", func(_ context.Context, v int) (string, error) {
		if v == 3 {
			return string(make([]byte, fabric.CapacityMin)), nil
		}
		return strconv.Itoa(v), nil
	}, stream.DeadLetter(&dead))
	stream.To(grown, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{"1", "2", "4", "5"}, sink.Values())
	require.Len(t, dead.Items(), 1)
	require.Equal(t, 3, dead.Items()[0].Value.Value)
}

// picky is a codec that cannot decode one value.
type picky struct{}

func (picky) ID() string                                { return "picky" }
func (picky) Append(b []byte, v string) ([]byte, error) { return append(b, v...), nil }
func (picky) Decode(b []byte) (string, error) {
	if string(b) == "3" {
		return "", errWeather
	}
	return string(b), nil
}

func TestItemsThatCannotBeDecodedAreRejected(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	var dead, deadAtSink streamtest.Sink[stream.Rejected]
	p := stream.New(w.client(), "p", w.cursors())
	src := source.Slice[string]{"1", "2", "3", "4"}
	same := func(_ context.Context, v string) (string, error) {
		if v == "4" {
			return "3", nil
		}
		return v, nil
	}
	texts := stream.From(p, "ingest", src, stream.UseCodec[string](picky{}))
	mapped := stream.Map(texts, "same", same, stream.DeadLetter(&dead), stream.UseCodec[string](picky{}))
	kept := stream.Filter(mapped, "keep", func(string) bool { return true }, stream.DeadLetter(&deadAtSink))
	stream.To(kept, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{"1", "2"}, sink.Values())
	require.Len(t, dead.Items(), 1)
	require.Nil(t, dead.Items()[0].Value.Value)
	require.Len(t, deadAtSink.Items(), 1)
}

// A sink that rejects one item of a batch gets the others, one by one.
func TestRejectsOfASink(t *testing.T) {
	w := newWorld(t)
	sink := streamtest.Sink[int]{Reject: func(item stream.Item[int]) string {
		if item.Value%13 == 0 {
			return "unlucky"
		}
		return ""
	}}
	var dead streamtest.Sink[stream.Rejected]
	p := stream.New(w.client(), "p", w.cursors())
	stream.To(stream.From(p, "ingest", numbers(50)), "store", &sink, stream.DeadLetter(&dead))
	require.NoError(t, p.Run(t.Context()))
	require.Len(t, sink.Items(), 47)
	require.Len(t, dead.Items(), 3)
	require.Equal(t, stream.Rejected{Stage: "p.store", Reason: "unlucky", Attempts: 1, Value: 13}, dead.Values()[0])
}

// Whether a failed commit took place is asked, not guessed.
func TestCommitsWithUnknownOutcome(t *testing.T) {
	w := newWorld(t)
	n := 0
	sink := streamtest.Sink[string]{Break: func(stream.Batch[string]) streamtest.Fault {
		n++
		return streamtest.Fault(n % 3)
	}}
	p := stream.New(w.client(), "p", w.cursors())
	texts := stream.FlatMap(stream.From(p, "ingest", numbers(1000)), "texts", upTo)
	stream.To(texts, "store", &sink, stream.BatchOf(10, time.Millisecond), stream.Retry(5, time.Microsecond))
	require.NoError(t, p.Run(t.Context()))
	var want []string
	for v := 1; v <= 1000; v++ {
		for s := range upTo(nil, v) {
			want = append(want, s)
		}
	}
	require.Equal(t, want, sink.Values())
}

func TestASinkThatStaysBrokenEndsTheRun(t *testing.T) {
	w := newWorld(t)
	sink := streamtest.Sink[int]{Break: func(stream.Batch[int]) streamtest.Fault { return streamtest.Lost }}
	p := stream.New(w.client(), "p", w.cursors())
	stream.To(stream.From(p, "ingest", numbers(5)), "store", &sink, stream.Retry(2, time.Microsecond))
	err := p.Run(t.Context())
	require.ErrorIs(t, err, streamtest.ErrBroken)
	require.ErrorContains(t, err, "pipeline p: stage store: after 3 tries")
}

// flaky fails after every third item until it has failed five times.
type flaky struct {
	source.Slice[int]
	failures int
}

func (f *flaky) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[int], error] {
	return func(yield func(stream.Item[int], error) bool) {
		n := 0
		for item, err := range f.Slice.Read(ctx, from) {
			if n++; n == 3 && f.failures < 5 {
				f.failures++
				yield(stream.Item[int]{}, errWeather)
				return
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func TestSourcesAreRetried(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[int]
	p := stream.New(w.client(), "p", w.cursors())
	stream.To(stream.From(p, "ingest", &flaky{Slice: numbers(20)}, stream.Retry(1, time.Microsecond)), "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []int(numbers(20)), sink.Values())

	p = stream.New(w.client(), "q", w.cursors())
	stream.To(stream.From(p, "ingest", &flaky{Slice: numbers(20)}), "store", &sink)
	require.ErrorIs(t, p.Run(t.Context()), errWeather)
}

// lanes interleaves three lanes.
type lanes struct{}

func (lanes) Read(_ context.Context, from position.Vector) iter.Seq2[stream.Item[string], error] {
	return func(yield func(stream.Item[string], error) bool) {
		for n := range uint64(300) {
			pos := position.Position{Lane: position.Lane(n % 3), Offset: n/3 + 1}
			if !yield(stream.Item[string]{Pos: pos, Value: pos.String()}, nil) { // it ignores from
				return
			}
		}
	}
}

func TestLanes(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	run := func(n int) error {
		p := stream.New(w.again(), "p", w.cursors())
		kept := stream.Filter(stream.From(p, "ingest", lanes{}, stream.Lanes(n)), "keep", func(s string) bool { return s != "1:7" })
		stream.To(kept, "store", &sink)
		return p.Run(t.Context())
	}
	require.ErrorContains(t, run(2), "see Lanes")
	require.NoError(t, run(3))
	require.Len(t, sink.Items(), 299)
	require.Equal(t, 3, sink.Done().Len())
}

func TestUpsertSinks(t *testing.T) {
	w := newWorld(t)
	rows := map[string]int{}
	fails := 0
	put := func(_ context.Context, items []stream.Item[int]) error {
		for i, item := range items {
			if fails++; i == 5 && fails < 100 {
				return errWeather // half the batch is there
			}
			rows[item.Pos.String()] = item.Value
		}
		return nil
	}
	p := stream.New(w.client(), "p", w.cursors())
	sink := stream.Upsert(durable.NewRegister(w.registry, "p.store"), put)
	stream.To(stream.From(p, "ingest", numbers(200)), "store", sink, stream.BatchOf(20, time.Millisecond), stream.Retry(100, 0))
	require.NoError(t, p.Run(t.Context()))
	require.Len(t, rows, 200)
	require.Equal(t, 7, rows["0:7"])
}

func TestMistakesInTheDescription(t *testing.T) {
	cl := edgetest.New().Client("c")
	for want, build := range map[string]func(p *stream.Pipeline){
		"no stages":                        func(*stream.Pipeline) {},
		"stage a: its output goes nowhere": func(p *stream.Pipeline) { stream.From(p, "a", numbers(1)) },
		"another stage has that name": func(p *stream.Pipeline) {
			stream.To(stream.From(p, "a", numbers(1)), "a", &streamtest.Sink[int]{})
		},
		"goes to b already": func(p *stream.Pipeline) {
			f := stream.From(p, "a", numbers(1))
			stream.To(f, "b", &streamtest.Sink[int]{})
			stream.To(f, "c", &streamtest.Sink[int]{})
		},
		"option Workers has no use here": func(p *stream.Pipeline) { stream.From(p, "a", numbers(1), stream.Workers(2)) },
		"Workers(0)":                     func(p *stream.Pipeline) { stream.Map(stream.From(p, "a", numbers(1)), "b", double, stream.Workers(0)) },
		"is not one for int": func(p *stream.Pipeline) {
			stream.From(p, "a", numbers(1), stream.UseCodec[string](picky{}))
		},
		"4 flat-maps": func(p *stream.Pipeline) {
			again := func(context.Context, string) iter.Seq2[string, error] { return nil }
			f := stream.FlatMap(stream.From(p, "a", numbers(1)), "b", upTo)
			stream.FlatMap(stream.FlatMap(stream.FlatMap(f, "c", again), "d", again), "e", again)
		},
	} {
		p := stream.New(cl, "p")
		build(p)
		require.ErrorContains(t, p.Run(t.Context()), want)
	}
	p := stream.New(cl, "p")
	stream.To(stream.From(p, "a", numbers(1)), "b", &streamtest.Sink[int]{})
	require.ErrorContains(t, p.Run(t.Context(), stream.Stages("x")), `no stage "x"; it has a, b`)
	require.ErrorContains(t, p.Run(t.Context()), "CheckpointIn")
	require.Error(t, stream.New(cl, "no/slash").Run(t.Context()))
}

func TestCodecsMustAgree(t *testing.T) {
	w := newWorld(t)
	_, err := edge.Produce[string](t.Context(), w.client(), "p.ingest")
	require.NoError(t, err)
	var sink streamtest.Sink[int]
	p := stream.New(w.client(), "p", w.cursors())
	stream.To(stream.From(p, "ingest", numbers(1)), "store", &sink)
	require.ErrorIs(t, p.Run(t.Context(), stream.Stages("store")), api.ErrCodec)
}
