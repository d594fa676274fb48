package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// dice plays a pipeline whose first stage gives another output each time, by which the next one chooses a branch. It returns the
// inputs that the sinks of all branches have, sorted.
func dice(t *testing.T, s scenario, logged bool) (got []int) {
	synctest.Test(t, func(*testing.T) {
		w := newTheatre(s)
		for range 2 {
			w.sinks = append(w.sinks, &streamtest.Sink[int]{Break: w.sinks[0].Break})
		}
		var calls atomic.Int64
		w.build = func(from stream.Flow[int]) []stream.Flow[int] {
			opts := []stream.StageOption{stream.Workers(2)}
			if logged {
				opts = append(opts, stream.LogOutputs(w.stores("p.dice")))
			}
			thrown := stream.Map(from, "dice", func(_ context.Context, v int) (int, error) {
				return 1000*v + int(calls.Add(1)*7919%1000), nil
			}, opts...)
			return stream.Partition(thrown, "split", 3, func(v int) string { return fmt.Sprint(v) })
		}
		w.play()
		for _, sink := range w.sinks {
			for _, v := range sink.Values() {
				got = append(got, v/1000)
			}
		}
	})
	slices.Sort(got)
	return got
}

// What is made of an input once stays so, whoever fails, although it would be made otherwise the next time. Without the log that
// does not hold.
func TestOutputsAreMadeOnce(t *testing.T) {
	found := 0
	for where := range 6 { // ingest, dice, split and a sink of each branch
		for _, what := range []string{"kill", "zombie"} {
			s := scenario{
				Inputs: 300, Lanes: 1, Batch: 5, Every: time.Millisecond,
				Faults: []fault{{4, what, where}, {8, "kill", 1}, {12, what, where}, {20, "kill", 2}},
			}
			require.Equal(t, []int(numbers(300)), dice(t, s, true), "%s %d", what, where)
			if !slices.Equal(numbers(300), dice(t, s, false)) {
				found++
			}
		}
	}
	require.NotZero(t, found)
}

// A log that is full makes the stage wait; what it holds is bounded.
func TestAFullLogWaits(t *testing.T) {
	w := newWorld(t)
	items := make(source.Slice[string], 500)
	for i := range items {
		items[i] = fmt.Sprintf("%03d", i) + strings.Repeat(".", 3000)
	}
	var sink streamtest.Sink[string]
	p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(1<<20))
	same := stream.Map(stream.From(p, "ingest", items), "same", func(_ context.Context, s string) (string, error) { return s, nil },
		stream.LogOutputs(durable.NewRegister(w.registry, "p.same")))
	stream.To(same, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string(items), sink.Values())
}

func TestOutputsThatAreTooLargeForTheLog(t *testing.T) {
	w := newWorld(t)
	p := stream.New(w.client(), "p", w.cursors())
	large := stream.Map(stream.From(p, "ingest", numbers(1)), "large", func(context.Context, int) (string, error) {
		return strings.Repeat("x", durable.RegisterBytesMax), nil
	}, stream.LogOutputs(durable.NewRegister(w.registry, "p.large")))
	stream.To(large, "store", &streamtest.Sink[string]{})
	require.ErrorIs(t, p.Run(t.Context()), api.ErrTooLarge)
}

// What is filtered is acknowledged, too.
func TestALogOfNothing(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[int]
	p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin))
	none := stream.Filter(stream.From(p, "ingest", numbers(20_000)), "none", func(int) bool { return false },
		stream.LogOutputs(durable.NewRegister(w.registry, "p.none")))
	stream.To(none, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Empty(t, sink.Values())
}
