package streamtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var input, squares = func() (in source.Slice[int], out []int) {
	for i := range 100 {
		in, out = append(in, i), append(out, i*i)
	}
	return in, out
}()

func square(_ context.Context, v int) (int, error) { return v * v, nil }

func describe(cl edge.Cluster, f func(context.Context, int) (int, error), sink stream.Sink[int]) *stream.Pipeline {
	p := stream.New(cl, "squares")
	stream.To(stream.Map(stream.From(p, "ingest", input), "square", f), "store", sink, stream.BatchOf(10, time.Millisecond))
	return p
}

// Each failure is met, and one alone too.
func TestOnly(t *testing.T) {
	for _, f := range Faults() {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, 1)
			defer w.close()
			w.breaks = 20
			w.Only(f.Name)
			var store Sink[int]
			w.Play(func(cl edge.Cluster) *stream.Pipeline { return describe(cl, square, Probe(w, "store", &store)) })
			Same(w, squares, store.Values())
			require.NotEmpty(t, w.happened, f.Name)
			for _, what := range w.happened {
				require.Contains(t, what, f.Name)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1)
		defer w.close()
		w.Only()
		var store Sink[int]
		w.Play(func(cl edge.Cluster) *stream.Pipeline { return describe(cl, square, Probe(w, "store", &store)) })
		Same(w, squares, store.Values())
		require.Empty(t, w.happened)
	})
}

func TestASoundPipelinePasses(t *testing.T) {
	Run(t, 100, func(w *World) {
		var store Sink[int]
		w.CursorBehind("squares.ingest", "store")
		w.Play(func(cl edge.Cluster) *stream.Pipeline { return describe(cl, square, Probe(w, "store", &store)) })
		Same(w, squares, store.Values())
	})
}

// listener is a test that keeps to itself what is wrong.
type listener struct {
	testing.TB
	mu    sync.Mutex
	heard []string
}

func (l *listener) Errorf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, fmt.Sprintf(format, args...))
}

func (l *listener) Failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.heard) > 0
}

// caught runs seeds until play has failed, and returns how.
func caught(t *testing.T, play func(w *World)) (heard string) {
	for seed := uint64(0); heard == "" && seed < 3000; seed++ {
		synctest.Test(t, func(t *testing.T) {
			l := &listener{TB: t}
			w := newWorld(l, seed)
			defer w.Cluster.Close()
			play(w)
			if l.Failed() {
				heard = fmt.Sprintf("seed %d: %s", seed, l.heard[0])
			}
		})
	}
	t.Log(heard)
	return heard
}

// db is a store whose writes are durable one by one.
type db struct {
	mu     sync.Mutex
	guard  fence.Guard
	done   position.Vector
	values []int
}

func (d *db) Claim(_ context.Context, e fence.Epoch) (position.Vector, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done, d.guard.Admit(e)
}

func (d *db) Commit(ctx context.Context, b stream.Effects[int]) error {
	if err := d.insert(ctx, b); err != nil {
		return err
	}
	return d.move(ctx, b)
}

func (d *db) insert(ctx context.Context, b stream.Effects[int]) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.guard.Admit(b.Epoch); err != nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, item := range b.Items {
		d.values = append(d.values, item.Value)
	}
	return nil
}

func (d *db) move(ctx context.Context, b stream.Effects[int]) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.guard.Admit(b.Epoch); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	d.done = b.Upto
	return nil
}

// hasty is a sink that answers before what it was given is durable: a process that dies takes the last batch with it.
type hasty struct {
	*Sink[int]
	held *stream.Effects[int]
}

func (h *hasty) Commit(ctx context.Context, b stream.Effects[int]) error {
	if h.held != nil {
		if err := h.Sink.Commit(ctx, *h.held); err != nil {
			return err
		}
	}
	b.Items = append([]stream.Item[int]{}, b.Items...)
	h.held = &b
	return nil
}

// unfenced lets everybody write.
type unfenced struct{ *Sink[int] }

func (u unfenced) Commit(ctx context.Context, b stream.Effects[int]) error {
	u.mu.Lock()
	b.Epoch = max(b.Epoch, u.guard.Current)
	u.mu.Unlock()
	return u.Sink.Commit(ctx, b)
}

func TestWrongStagesAreCaught(t *testing.T) {
	t.Run("sink that is not atomic", func(t *testing.T) {
		require.Regexp(t, "too often", caught(t, func(w *World) {
			store := &db{}
			w.Play(func(cl edge.Cluster) *stream.Pipeline {
				return describe(cl, square, Probe(w, "store", stream.Sink[int](store)))
			})
			Same(w, squares, store.values)
		}))
	})
	t.Run("sink that answers before it is durable", func(t *testing.T) {
		require.Regexp(t, "not durable yet|lost", caught(t, func(w *World) {
			store := &Sink[int]{}
			w.Play(func(cl edge.Cluster) *stream.Pipeline {
				return describe(cl, square, Probe(w, "store", stream.Sink[int](&hasty{Sink: store})))
			})
			Same(w, squares, store.Values())
		}))
	})
	t.Run("sink that is not fenced", func(t *testing.T) {
		require.Regexp(t, "not fenced|too often", caught(t, func(w *World) {
			store := &Sink[int]{}
			w.Play(func(cl edge.Cluster) *stream.Pipeline {
				return describe(cl, square, Probe(w, "store", stream.Sink[int](unfenced{store})))
			})
			Same(w, squares, store.Values())
		}))
	})
	t.Run("function that counts", func(t *testing.T) {
		require.Regexp(t, "not deterministic|wrong", caught(t, func(w *World) {
			var store Sink[int]
			w.Play(func(cl edge.Cluster) *stream.Pipeline {
				n := -1
				count := func(context.Context, int) (int, error) {
					n++
					return n * n, nil
				}
				return describe(cl, count, Probe(w, "store", &store))
			})
			Same(w, squares, store.Values())
		}))
	})
	t.Run("function that draws lots", func(t *testing.T) {
		require.Regexp(t, "not deterministic", caught(t, func(w *World) { // nobody knows what to expect
			var store Sink[int]
			lots := func(context.Context, int) (int, error) { return rand.Int(), nil }
			w.Play(func(cl edge.Cluster) *stream.Pipeline { return describe(cl, lots, Probe(w, "store", &store)) })
		}))
	})
}

func TestBreakOff(t *testing.T) {
	ctx := breakOff(t.Context(), 2)
	require.NoError(t, ctx.Err())
	require.NotNil(t, ctx.Done())
	<-ctx.Done()
	require.ErrorIs(t, ctx.Err(), context.Canceled)
	require.ErrorIs(t, context.Cause(ctx), ErrBroken)
}
