package stream_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

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
