package stream_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

func count(n, _ int) int  { return n + 1 }
func itself(n int) int    { return n }
func text(v int) string   { return fmt.Sprint(v) }
func last(a []int) string { return fmt.Sprint(a[len(a)-1]) }

// The position of an output is that of its last item, so it has children, and what follows can be said of it.
func TestBatchesOfALane(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	p := stream.New(w.client(), "p", w.cursors())
	lists := stream.Batch(stream.From(p, "ingest", numbers(10)), "batch", 4)
	apart := stream.FlatMap(lists, "apart", func(_ context.Context, list []int) iter.Seq2[string, error] {
		return each([]string{fmt.Sprint(list), last(list)})
	})
	stream.To(apart, "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	require.Equal(t, []string{"[1 2 3 4]", "4", "[5 6 7 8]", "8", "[9 10]", "10"}, sink.Values())
	require.Equal(t, "0:8.1", sink.Items()[3].Pos.String())
}

// A window may be larger than what any edge retains: its state is kept, and what it was made of is acknowledged (rule 10).
func TestAWindowLargerThanItsInputRetains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const n = 20_000 // 40 bytes each, at least, and 64 KiB are retained
		var sink streamtest.Sink[int]
		p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin), stream.Checkpoint(time.Hour))
		stream.To(stream.Window(stream.From(p, "ingest", numbers(n)), "count", n, count, itself), "store", &sink)
		began := time.Now()
		require.NoError(t, p.Run(t.Context()))
		require.Equal(t, []int{n}, sink.Values())
		require.Less(t, time.Since(began), time.Hour, "half of the retention does not wait for the time of the checkpoint")
	})
}

// A window that gets little beside a branch that gets much holds the latter up no longer than until its next checkpoint.
func TestASparseWindowBesideABusyBranch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var busy, sparse streamtest.Sink[int]
		p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin))
		both := stream.Broadcast(stream.From(p, "ingest", numbers(20_000)), "both", 2)
		stream.To(both[0], "busy", &busy)
		rare := stream.Filter(both[1], "rare", func(v int) bool { return v%5000 == 1 })
		stream.To(stream.Window(rare, "count", 100, count, itself), "sparse", &sparse)
		require.NoError(t, p.Run(t.Context()))
		require.Len(t, busy.Values(), 20_000)
		require.Equal(t, []int{4}, sparse.Values())
	})
}

// What is stopped with a window open goes on in it.
func TestAnOpenWindowSurvivesItsProcess(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[[]string]
	run := func(from int, more bool) error {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		src := &tap{n: from, stop: stop, more: more}
		p := stream.New(w.again(), "p", w.cursors())
		texts := stream.Map(stream.From(p, "ingest", src), "text", func(_ context.Context, v int) (string, error) { return text(v), nil })
		stream.To(stream.Batch(texts, "batch", 4), "store", &sink)
		return p.Run(ctx)
	}
	require.ErrorIs(t, run(6, true), context.Canceled)
	require.ErrorIs(t, run(7, true), context.Canceled)
	require.Equal(t, "0:7", w.cursor().Positions()[0].String(), "all of it is acknowledged, in an open window")
	require.NoError(t, run(9, false))
	require.Equal(t, [][]string{{"1", "2", "3", "4"}, {"5", "6", "7", "8"}, {"9"}}, sink.Values())
}

// tap is the integers up to n; then it ends or, if there is more to come, stops the run and waits.
type tap struct {
	n    int
	stop func()
	more bool
}

func (s *tap) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[int], error] {
	return func(yield func(stream.Item[int], error) bool) {
		for item, err := range numbers(s.n).Read(ctx, from) {
			if !yield(item, err) {
				return
			}
		}
		if s.more {
			s.stop()
			<-ctx.Done()
		}
	}
}

func TestAnotherSizeOfWindowIsRefused(t *testing.T) {
	w := newWorld(t)
	run := func(n int) error {
		p := stream.New(w.again(), "p", w.cursors())
		stream.To(stream.Window(stream.From(p, "ingest", numbers(10)), "count", n, count, itself), "store", &streamtest.Sink[int]{})
		return p.Run(t.Context())
	}
	require.NoError(t, run(3))
	require.ErrorContains(t, run(4), "windows of 4 items, where the checkpoint has windows of 3: a stage that has changed needs another name")
}

func TestStateThatIsTooLargeForItsStore(t *testing.T) {
	w := newWorld(t)
	p := stream.New(w.client(), "p", w.cursors())
	long := source.Slice[string]{strings.Repeat("x", durable.RegisterBytesMax)}
	forever := &held[string]{long}
	stream.To(stream.Batch(stream.From(p, "ingest", forever), "batch", 4), "store", &streamtest.Sink[[]string]{})
	err := p.Run(t.Context())
	require.ErrorIs(t, err, api.ErrTooLarge)
	require.ErrorContains(t, err, "CheckpointIn")
}

// held is a source that does not end.
type held[T any] struct{ source.Slice[T] }

func (h *held[T]) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[T], error] {
	return func(yield func(stream.Item[T], error) bool) {
		for item, err := range h.Slice.Read(ctx, from) {
			if !yield(item, err) {
				return
			}
		}
		<-ctx.Done()
	}
}

// Windows are safe because a store refuses what a replaced process writes late (rule 5): the same faults with a store that takes it
// from anybody are found out.
func TestWindowsRestOnFencing(t *testing.T) {
	found := 0
	for after := range 4 {
		s := scenario{
			Inputs: 8000, Lanes: 1, Ops: []op{{"window", 2, 1, 0}}, Batch: 5, Every: time.Millisecond,
			Faults: []fault{{100 + 15*after, "kill", 1}, {After: -1}},
		}
		play := func(lax bool) (where string, is, want []int) {
			return s.differs(stage(t, s, func(w *theatre) {
				w.stores = (&late{under: w.stores, lax: lax, replace: func() { w.cue <- fault{0, "zombie", 1} }}).open
			}))
		}
		where, is, want := play(false)
		require.Empty(t, where, "has %v, want %v", is, want)
		if where, _, _ := play(true); where != "" {
			found++
		}
	}
	require.NotZero(t, found)
}

// late makes stores of which a write of the first process, which is replaced meanwhile, lands when the third one comes. If they are
// lax, it is taken.
type late struct {
	under   func(key string) durable.Store
	lax     bool
	replace func()

	mu     sync.Mutex
	fences int
	writes int
	held   func(to durable.Store, epoch fence.Epoch) error // the write
}

func (l *late) open(key string) durable.Store {
	if key != "p.op0" {
		return l.under(key)
	}
	return lateStore{l, l.under(key)}
}

type lateStore struct {
	l *late
	durable.Store
}

func (s lateStore) Fence(ctx context.Context, epoch fence.Epoch) (value []byte, found bool, err error) {
	s.l.mu.Lock()
	defer s.l.mu.Unlock()
	value, found, err = s.Store.Fence(ctx, epoch)
	if s.l.fences++; s.l.fences == 3 && s.l.held != nil && err == nil {
		if err := s.l.held(s.Store, epoch); err == nil {
			return s.Store.Fence(ctx, epoch)
		}
	}
	return value, found, err
}

func (s lateStore) Put(ctx context.Context, epoch fence.Epoch, value []byte) error {
	s.l.mu.Lock()
	s.l.writes++
	if s.l.writes != 2 || s.l.fences != 1 {
		s.l.mu.Unlock()
		return s.Store.Put(ctx, epoch, value)
	}
	value = slices.Clone(value)
	s.l.held = func(to durable.Store, now fence.Epoch) error {
		if s.l.lax {
			return to.Put(context.Background(), now, value) // as if it had no epoch of its own
		}
		return s.Store.Put(context.Background(), epoch, value)
	}
	s.l.mu.Unlock()
	s.l.replace()
	<-ctx.Done()
	return context.Cause(ctx)
}
