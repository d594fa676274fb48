package stream_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// Whether a failed commit took place is asked, not guessed.

func TestCommitsWithUnknownOutcome(t *testing.T) {
	w := newWorld(t)
	n := 0
	sink := streamtest.Sink[string]{Break: func(stream.Effects[string]) streamtest.Fault {
		n++
		return streamtest.Fault(n % 3)
	}}
	p := stream.New(w.client(), "p", w.cursors())
	texts := stream.FlatMap(stream.From(p, "ingest", numbers(1000)), "texts", upTo)
	stream.To(texts, "store", &sink, stream.BatchOf(10, time.Millisecond), stream.Retry(5, time.Microsecond))
	require.NoError(t, p.Run(t.Context()))
	var want []string
	for v := 1; v <= 1000; v++ {
		for s := range upTo(t.Context(), v) {
			want = append(want, s)
		}
	}
	require.Equal(t, want, sink.Values())
}

func TestASinkThatStaysBrokenEndsTheRun(t *testing.T) {
	w := newWorld(t)
	sink := streamtest.Sink[int]{Break: func(stream.Effects[int]) streamtest.Fault { return streamtest.Lost }}
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
	stream.To(stream.From(p, "ingest", &flaky{Slice: numbers(20)}), "store", &streamtest.Sink[int]{})
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

// A registry without a leader delays the cursor and nothing else.
func TestCursorWaitsForTheRegistry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.registry.Break = func(n int, _ api.CheckpointRequest) durabletest.Fault {
			if n < 20 {
				return durabletest.Fault(n % 3) // none, refused, unknown
			}
			return durabletest.None
		}
		var sink streamtest.Sink[int]
		p := stream.New(w.client(), "p", w.cursors())
		stream.To(stream.From(p, "ingest", numbers(50)), "store", &sink)
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int(numbers(50)), sink.Values())
		require.True(t, w.cursor().Equal(sink.Done()))
	})
}

// waiting yields what is there, and then waits for more until its context ends. It returns without an error then.
type waiting struct{ source.Slice[int] }

func (s waiting) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[int], error] {
	return func(yield func(stream.Item[int], error) bool) {
		for item, err := range s.Slice.Read(ctx, from) {
			if !yield(item, err) {
				return
			}
		}
		<-ctx.Done()
	}
}

var errDiskFull = errors.New("disk full")

// full is a store that can be fenced and not written.
type full struct{ durable.Store }

func (full) Put(context.Context, fence.Epoch, []byte) error { return errDiskFull }

// A source that is given up has not ended. No end of its lane may go out: stages in other processes would believe it, and take
// nothing of that lane any more.
func TestASourceThatIsGivenUpHasNotEnded(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[int]
	describe := func(cl edge.Cluster, src stream.Source[int], cursors stream.Option) *stream.Pipeline {
		p := stream.New(cl, "p", cursors)
		stream.To(stream.From(p, "ingest", src), "store", &sink)
		return p
	}
	store := make(chan error, 1)
	go func() {
		store <- describe(w.client(), numbers(0), w.cursors()).Run(t.Context(), stream.Stages("store"))
	}()
	broken := stream.CheckpointIn(func(key string) durable.Store { return full{durable.NewRegister(w.registry, key)} })
	err := describe(w.again(), waiting{numbers(3)}, broken).Run(t.Context(), stream.Stages("ingest"))
	require.ErrorIs(t, err, errDiskFull)
	require.NoError(t, describe(w.again(), numbers(5), w.cursors()).Run(t.Context(), stream.Stages("ingest")))
	require.NoError(t, <-store)
	require.Equal(t, []int{1, 2, 3, 4, 5}, sink.Values())
}

// backwards is a source that breaks its contract.
type backwards struct{}

func (backwards) Read(context.Context, position.Vector) iter.Seq2[stream.Item[int], error] {
	return func(yield func(stream.Item[int], error) bool) {
		_ = yield(stream.Item[int]{Pos: position.Position{Offset: 2}}, nil) &&
			yield(stream.Item[int]{Pos: position.Position{Offset: 1}}, nil)
	}
}

// Items that come in the wrong order are an error, not repeats to be passed over.
func TestASourceMustGrow(t *testing.T) {
	w := newWorld(t)
	p := stream.New(w.client(), "p", w.cursors())
	stream.To(stream.From(p, "ingest", backwards{}), "store", &streamtest.Sink[int]{})
	require.ErrorIs(t, p.Run(t.Context()), handoff.ErrOrder)
}

// slow is a store whose Put takes a while, and whose outcome is open if it is given up meanwhile.
type slow struct {
	durable.Store
	givenUp *atomic.Int32
}

func (s slow) Put(ctx context.Context, epoch fence.Epoch, value []byte) error {
	select {
	case <-time.After(time.Second):
		return s.Store.Put(ctx, epoch, value)
	case <-ctx.Done():
		s.givenUp.Add(1)
		return api.ErrUnknown
	}
}

// The end of the source does not interrupt the cursor that is being written: its outcome would be open, and the stage would
// start over when the others have ended.
func TestTheEndLetsTheCursorBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var givenUp atomic.Int32
		p := stream.New(w.client(), "p", stream.CheckpointIn(func(key string) durable.Store {
			return slow{durable.NewRegister(w.registry, key), &givenUp}
		}))
		var sink streamtest.Sink[int]
		stream.To(stream.From(p, "ingest", numbers(50)), "store", &sink, stream.BatchOf(10, 0))
		require.NoError(t, p.Run(t.Context()))
		require.Zero(t, givenUp.Load())
		require.True(t, w.cursor().Equal(sink.Done()))
	})
}

// The last acknowledgement may be lost with its ring. The stage that gave it, which has nothing else to do, gives it again.
func TestTheLastAcknowledgementIsLost(t *testing.T) {
	for _, lost := range []string{"p.ingest", "p.double"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			sink := streamtest.Sink[int]{Break: func(b stream.Effects[int]) streamtest.Fault {
				if last, _ := b.Upto.At(0); last.IsEndOfLane() {
					w.cluster.LoseRing(lost)
				}
				return streamtest.None
			}}
			p := stream.New(w.client(), "p", w.cursors())
			stream.To(stream.Map(stream.From(p, "ingest", numbers(3)), "double", double), "store", &sink)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			require.NoError(t, p.Run(ctx))
			require.Len(t, sink.Items(), 3)
		})
	}
}
