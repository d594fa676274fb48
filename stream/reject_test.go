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
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// While the dead letters cannot be written, the inputs before the reject are done and those from there on are not, however
// far the others have come; a later run makes up for it.

func TestRejectsAreDurableBeforeTheirInputIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		broken := true
		var sink streamtest.Sink[int]
		dead := streamtest.Sink[stream.Rejected]{Break: func(stream.Effects[stream.Rejected]) streamtest.Fault {
			if broken {
				return streamtest.Lost
			}
			return streamtest.None
		}}
		run := func() error {
			p := stream.New(w.again(), "p", w.cursors())
			parsed := stream.Map(stream.From(p, "ingest", numbers(30)), "parse", func(_ context.Context, v int) (int, error) {
				if v%10 == 0 {
					return 0, stream.Reject("round")
				}
				return v, nil
			}, stream.DeadLetter(&dead))
			stream.To(parsed, "store", &sink)
			return p.Run(t.Context())
		}
		require.ErrorIs(t, run(), streamtest.ErrBroken)
		require.Len(t, sink.Items(), 27)
		require.True(t, w.cursor().Equal(position.VectorOf(position.Position{Offset: 9})), "%v", w.cursor())
		broken = false
		require.NoError(t, run())
		require.Len(t, sink.Items(), 27)
		require.Len(t, dead.Items(), 3)
	})
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

func (picky) ID() string { return "picky" }

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

// What the sink rejects and what cannot be decoded reach the dead letters in the order of their positions: a letter stands for
// all before it, so one that came too early would hide the next.
func TestRejectsOfASinkKeepTheirOrder(t *testing.T) {
	w := newWorld(t)
	sink := streamtest.Sink[string]{Reject: func(item stream.Item[string]) string {
		if item.Value == "2" {
			return "unlucky"
		}
		return ""
	}}
	var dead streamtest.Sink[stream.Rejected]
	p := stream.New(w.client(), "p", w.cursors())
	texts := stream.From(p, "ingest", source.Slice[string]{"1", "2", "3", "4"}, stream.UseCodec[string](picky{}))
	stream.To(texts, "store", &sink, stream.DeadLetter(&dead), stream.BatchOf(4, time.Minute))
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{"1", "4"}, sink.Values())
	require.Len(t, dead.Items(), 2)
	require.Equal(t, position.Position{Offset: 2}, dead.Items()[0].Pos)
	require.Equal(t, position.Position{Offset: 3}, dead.Items()[1].Pos)
}

// The same holds for a later output of many: none of them goes out.
func TestALaterOutputThatIsTooLargeIsRejected(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	var dead streamtest.Sink[stream.Rejected]
	p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin))
	grown := stream.FlatMap(stream.From(p, "ingest", numbers(3)), "grow", func(_ context.Context, v int) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) {
			_ = yield(strconv.Itoa(v), nil) && v == 2 && yield(string(make([]byte, fabric.CapacityMin)), nil)
		}
	}, stream.DeadLetter(&dead))
	stream.To(grown, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{"1", "3"}, sink.Values())
	require.Len(t, dead.Items(), 1)
	require.Equal(t, 2, dead.Items()[0].Value.Value)
}
