package edge_test

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/position"
)

// world is a cluster whose rings nothing stands before: edgetest's own can be lost, which costs a look for each record.
type world struct {
	*edgetest.Cluster
	mu     sync.Mutex
	arenas map[locator.ArenaID]fabric.Arena
}

type process struct {
	*edgetest.Client
	w *world
}

func newWorld(make func(fabric.Config) (fabric.Arena, error)) *world {
	w := &world{arenas: map[locator.ArenaID]fabric.Arena{}}
	w.Cluster = edgetest.NewOn(func(c fabric.Config) (fabric.Arena, error) {
		a, err := make(c)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.arenas[c.Arena] = a
		return a, err
	})
	return w
}

func (w *world) process(name string) *process { return &process{w.Client(name), w} }

func (w *world) arena(e api.Edge) fabric.Arena {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.arenas[e.Locator.Arena]
}

func (p *process) AttachProducer(_ context.Context, e api.Edge) (fabric.Producer, error) {
	return p.w.arena(e).Producer()
}

func (p *process) AttachConsumer(_ context.Context, e api.Edge) (fabric.Consumer, error) {
	return p.w.arena(e).Consumer()
}

func inprocRing(c fabric.Config) (fabric.Arena, error) { return inproc.New(c) }
func shmRing(c fabric.Config) (fabric.Arena, error)    { return shm.New(c) }

// ends opens both ends of an edge.
func ends[T any](tb testing.TB, make func(fabric.Config) (fabric.Arena, error), opts ...edge.Option) (*edge.Producer[T], *edge.Consumer[T]) {
	w := newWorld(make)
	tb.Cleanup(w.Close)
	p, err := edge.Produce[T](tb.Context(), w.process("up"), "e", opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { p.Close(canceled()) })
	c, err := edge.Consume[T](tb.Context(), w.process("down"), "e", opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { c.Close(canceled()) })
	return p, c
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ackEvery is how many items a consumer acknowledges at once.
const ackEvery = 64

// BenchmarkOneWay pushes in one goroutine and pops in another, item by item. cpu-ns/op is what both take together: it says more
// than the time where other work has the cores.
func BenchmarkOneWay(b *testing.B) {
	rings := map[string]func(fabric.Config) (fabric.Arena, error){"inproc": inprocRing}
	if runtime.GOOS == "linux" {
		rings["shm"] = shmRing
	}
	for name, ring := range rings {
		for _, n := range []int{64, 1 << 10, 16 << 10} {
			size := "/" + strconv.Itoa(n) + "B"
			b.Run(name+size+"/bytes", func(b *testing.B) { oneWay(b, ring, make([]byte, n)) })
			b.Run(name+size+"/bytes/unchecked", func(b *testing.B) { oneWay(b, ring, make([]byte, n), edge.Unchecked()) })
		}
		b.Run(name+"/64B/binary", func(b *testing.B) { oneWay(b, ring, word{}) })
		b.Run(name+"/64B/fixed", func(b *testing.B) { oneWay(b, ring, sample{}, fixed(b)) })
		b.Run(name+"/64B/fixed/unchecked", func(b *testing.B) { oneWay(b, ring, sample{}, fixed(b), edge.Unchecked()) })
	}
}

func oneWay[T any](b *testing.B, ring func(fabric.Config) (fabric.Arena, error), v T, opts ...edge.Option) {
	p, c := ends[T](b, ring, opts...)
	ctx := b.Context()
	pushed := make(chan error, 1)
	b.ReportAllocs()
	b.ResetTimer()
	began := cpu()
	go func() {
		var err error
		for i := 1; i <= b.N && err == nil; i++ {
			err = p.Push(ctx, position.Position{Offset: uint64(i)}, v)
		}
		pushed <- err
	}()
	for i := 1; i <= b.N; i++ {
		m, err := c.Pop(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if i%ackEvery == 0 || i == b.N {
			if err := c.Ack(m.Pos); err != nil {
				b.Fatal(err)
			}
		}
	}
	require.NoError(b, <-pushed)
	b.ReportMetric(float64((cpu()-began).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

const aloneBurst = 4096

// BenchmarkAlone pushes and pops 4096 items at a time in one goroutine: what an item costs both sides without another processor. The figures
// are of the fastest such burst, which nothing else on the machine has interrupted.
func BenchmarkAlone(b *testing.B) {
	p, c := ends[sample](b, inprocRing, fixed(b), edge.Unchecked())
	ctx, i, v := b.Context(), uint64(0), sample{}
	push, pop := time.Hour, time.Hour
	for b.Loop() {
		began := time.Now()
		for range aloneBurst {
			i++
			if err := p.Push(ctx, position.Position{Offset: i}, v); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, p.Flush())
		pushed := time.Now()
		push = min(push, pushed.Sub(began))
		for k := range aloneBurst {
			m, err := c.Pop(ctx)
			if err != nil {
				b.Fatal(err)
			}
			if k%ackEvery == ackEvery-1 {
				if err := c.Ack(m.Pos); err != nil {
					b.Fatal(err)
				}
			}
		}
		pop = min(pop, time.Since(pushed))
	}
	b.ReportMetric(float64(push.Nanoseconds())/aloneBurst, "ns/push")
	b.ReportMetric(float64(pop.Nanoseconds())/aloneBurst, "ns/pop")
}

// BenchmarkMove is the time from the loss of a ring, with a spare armed, to the first new item behind it.
func BenchmarkMove(b *testing.B) {
	c := edgetest.New()
	defer c.Close()
	p, err := edge.Produce[[]byte](b.Context(), c.Client("up"), "e")
	require.NoError(b, err)
	defer p.Close(canceled())
	in, err := edge.Consume[[]byte](b.Context(), c.Client("down"), "e")
	require.NoError(b, err)
	defer in.Close(canceled())
	item, i := make([]byte, 64), 0
	pass := func() {
		i++
		require.NoError(b, p.Push(b.Context(), at(i), item))
		require.NoError(b, p.Flush())
		m, err := in.Pop(b.Context())
		require.NoError(b, err)
		require.NoError(b, in.Ack(m.Pos))
	}
	for pass(); b.Loop(); {
		b.StopTimer()
		for p.Stats().Spare == 0 || in.Stats().Spare != p.Stats().Spare || p.Generation() != generation(c) {
			runtime.Gosched()
		}
		b.StartTimer()
		c.LoseRing("e")
		pass()
	}
}

func generation(c *edgetest.Cluster) fence.Epoch {
	rec, _ := c.Edge("e")
	return rec.Generation
}
