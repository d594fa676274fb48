package stream_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// op is one operator of a random pipeline of integers.
type op struct {
	Kind    string
	K       int
	Workers int
}

// apply is what the operator does, said without a pipeline.
func (o op) apply(v int) (out []int, rejected bool) {
	switch o.Kind {
	case "add":
		return []int{v + o.K}, false
	case "reject":
		if v%(o.K+2) == 0 {
			return nil, true
		}
		return []int{v}, false
	case "filter":
		if v%(o.K+2) == 0 {
			return []int{v}, false
		}
		return nil, false
	default: // spread
		for k := range v % (o.K + 1) {
			out = append(out, v*10+k)
		}
		return out, false
	}
}

// scenario is a random pipeline and what befalls it.
type scenario struct {
	Inputs int
	Ops    []op
	Batch  int
	Faults []fault
}

// fault happens when the sink has committed that often.
type fault struct {
	After int
	What  string
	Where int // stage, or edge, modulo their number
}

func drawScenario(t *rapid.T) scenario {
	s := scenario{Inputs: rapid.IntRange(0, 400).Draw(t, "inputs"), Batch: rapid.IntRange(1, 40).Draw(t, "batch")}
	spreads := 0
	for range rapid.IntRange(0, 4).Draw(t, "operators") {
		o := op{
			Kind: rapid.SampledFrom([]string{"add", "reject", "filter", "spread"}).Draw(t, "kind"),
			K:    rapid.IntRange(0, 3).Draw(t, "k"), Workers: rapid.IntRange(1, 3).Draw(t, "workers"),
		}
		if o.Kind == "spread" {
			if spreads++; spreads > 2 {
				o.Kind = "add"
			}
		}
		s.Ops = append(s.Ops, o)
	}
	for range rapid.IntRange(0, 6).Draw(t, "faults") {
		s.Faults = append(s.Faults, fault{
			After: rapid.IntRange(0, 20).Draw(t, "after"), Where: rapid.IntRange(0, 5).Draw(t, "where"),
			What: rapid.SampledFrom([]string{
				"lose ring", "lose one side", "revoke", "kill", "zombie", "commit lost", "commit unanswered",
			}).Draw(t, "what"),
		})
	}
	return s
}

// reference is the same as a plain loop.
func (s scenario) reference() (want []int, dead [][]int) {
	dead = make([][]int, len(s.Ops))
	var through func(v, i int)
	through = func(v, i int) {
		if i == len(s.Ops) {
			want = append(want, v)
			return
		}
		out, rejected := s.Ops[i].apply(v)
		if rejected {
			dead[i] = append(dead[i], v)
		}
		for _, o := range out {
			through(o, i+1)
		}
	}
	for v := 1; v <= s.Inputs; v++ {
		through(v, 0)
	}
	return want, dead
}

// theatre plays a scenario: every stage in a process of its own, which is started again when it dies.
type theatre struct {
	s        scenario
	cluster  *edgetest.Cluster
	registry durabletest.Registry
	sink     streamtest.Sink[int]
	dead     []streamtest.Sink[stream.Rejected]
	names    []string
	cue      chan fault

	mu        sync.Mutex
	processes map[string]*process // running, by stage
}

type process struct {
	cl   *edgetest.Client
	kill context.CancelFunc
}

func newTheatre(s scenario) *theatre {
	w := &theatre{
		s: s, cluster: edgetest.New(), dead: make([]streamtest.Sink[stream.Rejected], len(s.Ops)),
		cue: make(chan fault, len(s.Faults)), processes: map[string]*process{},
	}
	w.names = []string{"ingest"}
	for i := range s.Ops {
		w.names = append(w.names, fmt.Sprintf("op%d", i))
	}
	w.names = append(w.names, "store")
	commits := 0
	w.sink.Break = func(stream.Batch[int]) (f streamtest.Fault) {
		for _, fault := range s.Faults {
			if fault.After != commits {
				continue
			}
			switch fault.What {
			case "commit lost":
				f = streamtest.Lost
			case "commit unanswered":
				f = streamtest.Unanswered
			default:
				w.cue <- fault
			}
		}
		commits++
		return f
	}
	return w
}

func (w *theatre) pipeline(cl edge.Cluster) *stream.Pipeline {
	p := stream.New(cl, "p", stream.Capacity(fabric.CapacityMin), stream.Drain(time.Millisecond),
		stream.CheckpointIn(func(key string) durable.Store { return durable.NewRegister(&w.registry, key) }))
	flow := stream.From(p, "ingest", numbers(w.s.Inputs))
	for i, o := range w.s.Ops {
		name, workers := w.names[i+1], stream.Workers(o.Workers)
		switch o.Kind {
		case "filter":
			flow = stream.Filter(flow, name, func(v int) bool { out, _ := o.apply(v); return len(out) > 0 }, workers)
		case "spread":
			flow = stream.FlatMap(flow, name, func(_ context.Context, v int) iter.Seq2[int, error] {
				return func(yield func(int, error) bool) {
					out, _ := o.apply(v)
					for _, x := range out {
						if !yield(x, nil) {
							return
						}
					}
				}
			}, workers)
		default:
			flow = stream.Map(flow, name, func(_ context.Context, v int) (int, error) {
				out, rejected := o.apply(v)
				if rejected {
					return 0, stream.Reject("as agreed")
				}
				return out[0], nil
			}, workers, stream.DeadLetter(&w.dead[i]))
		}
	}
	stream.To(flow, "store", &w.sink, stream.BatchOf(w.s.Batch, time.Millisecond), stream.Retry(50, time.Microsecond))
	return p
}

// play runs until the source has ended.
func (w *theatre) play() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	for _, name := range w.names {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := w.run(ctx, name, n); err == nil && name == "ingest" {
					cancel()
				}
			}
		})
	}
	all.Go(func() { w.chaos(ctx) })
	all.Wait()
	w.cluster.Close()
}

// run is the life of one process.
func (w *theatre) run(ctx context.Context, name string, n int) error {
	cl := w.cluster.Client(fmt.Sprintf("%s-%d", name, n))
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	w.mu.Lock()
	w.processes[name] = &process{cl, kill}
	w.mu.Unlock()
	defer cl.EndSession()
	return w.pipeline(cl).Run(ctx, stream.Stages(name))
}

func (w *theatre) chaos(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-w.cue:
			w.do(ctx, f)
		}
	}
}

func (w *theatre) do(ctx context.Context, f fault) {
	stage := f.Where % len(w.names)
	on := "p." + w.names[f.Where%(len(w.names)-1)]
	w.mu.Lock()
	proc := w.processes[w.names[stage]]
	w.mu.Unlock()
	switch f.What {
	case "lose ring":
		w.cluster.LoseRing(on)
	case "lose one side":
		proc.cl.LoseRing(on)
	case "revoke":
		w.cluster.Revoke(on)
	case "kill":
		proc.cl.Kill()
		proc.kill()
	case "zombie": // the process goes on for as long as it likes, beside its successor
		go func() { _ = w.run(ctx, w.names[stage], 1000) }()
		proc.cl.EndSession()
	}
}

// Whatever a pipeline does and whatever happens to it, the sinks hold what a plain loop makes of the input: nothing lost,
// nothing twice, in order.
func TestRandomPipelinesUnderRandomFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		var got []int
		var dead [][]int
		synctest.Test(t, func(*testing.T) {
			w := newTheatre(s)
			w.play()
			got = w.sink.Values()
			for i := range w.dead {
				var values []int
				for _, r := range w.dead[i].Values() {
					values = append(values, r.Value.(int))
				}
				dead = append(dead, values)
			}
		})
		want, wantDead := s.reference()
		if !slices.Equal(want, got) {
			rt.Fatalf("sink has %v, want %v", got, want)
		}
		for i := range wantDead {
			if !slices.Equal(wantDead[i], dead[i]) {
				rt.Fatalf("dead letters of op%d are %v, want %v", i, dead[i], wantDead[i])
			}
		}
	})
}

// The same by name: a process that dies, and one that is cut off and lives on, for each stage.
func TestEachStageIsTakenOver(t *testing.T) {
	for where := range 4 {
		for _, what := range []string{"kill", "zombie"} {
			synctest.Test(t, func(t *testing.T) {
				s := scenario{Inputs: 2000, Ops: []op{{"reject", 3, 2}, {"spread", 2, 1}}, Batch: 20, Faults: []fault{{5, what, where}}}
				w := newTheatre(s)
				w.play()
				want, _ := s.reference()
				require.Equal(t, want, w.sink.Values())
			})
		}
	}
}
