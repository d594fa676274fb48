package stream_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// theatre plays a scenario: every stage in a process of its own, which is started again when it dies.
type theatre struct {
	s        scenario
	cluster  *edgetest.Cluster
	registry durabletest.Registry
	stores   func(key string) durable.Store
	build    func(stream.Flow[int]) []stream.Flow[int] // what is between source and sinks
	sinks    []*streamtest.Sink[int]
	dead     []streamtest.Sink[stream.Rejected]
	stages   []string
	edges    []string
	cue      chan fault

	mu        sync.Mutex
	commits   int
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
	want, _ := s.reference()
	for range want {
		w.sinks = append(w.sinks, &streamtest.Sink[int]{Break: func(stream.Effects[int]) streamtest.Fault { return w.onCommit() }})
	}
	w.registry.Break = w.onCheckpoint
	w.stores = func(key string) durable.Store { return durable.NewRegister(&w.registry, key) }
	w.build = w.operators
	return w
}

// onCommit says what goes wrong with a commit, and cues what goes wrong elsewhere at that time.
func (w *theatre) onCommit() (f streamtest.Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, fault := range w.s.Faults {
		if fault.After != w.commits {
			continue
		}
		switch {
		case fault.What == "commit lost":
			f = streamtest.Lost
		case fault.What == "commit unanswered":
			f = streamtest.Unanswered
		case !strings.HasPrefix(fault.What, "checkpoint"):
			w.cue <- fault
		}
	}
	w.commits++
	return f
}

// onCheckpoint says what goes wrong with a checkpoint.
func (w *theatre) onCheckpoint(n int, _ api.CheckpointRequest) durabletest.Fault {
	for _, fault := range w.s.Faults {
		if fault.After == n {
			return map[string]durabletest.Fault{
				"checkpoint refused": durabletest.Refused, "checkpoint unknown": durabletest.Unknown,
				"checkpoint applied unknown": durabletest.AppliedUnknown, "checkpoint late": durabletest.Late,
			}[fault.What]
		}
	}
	return durabletest.None
}

// laned is the integers from 1 to n, v in lane v % lanes.
type laned struct{ n, lanes int }

func (l laned) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[int], error] {
	return func(yield func(stream.Item[int], error) bool) {
		for v := 1; v <= l.n; v++ {
			pos := position.Position{Lane: position.Lane(v % l.lanes), Offset: uint64(v)}
			if from.Covers(pos) {
				continue
			}
			if ctx.Err() != nil || !yield(stream.Item[int]{Pos: pos, Value: v}, nil) {
				return
			}
		}
	}
}

func (w *theatre) pipeline(cl edge.Cluster) *stream.Pipeline {
	p := stream.New(cl, "p", stream.Capacity(fabric.CapacityMin), stream.Drain(time.Millisecond), stream.Checkpoint(w.s.Every),
		stream.CheckpointIn(w.stores))
	for i, flow := range w.build(stream.From(p, "ingest", laned{w.s.Inputs, w.s.Lanes}, stream.Lanes(w.s.Lanes))) {
		stream.To(flow, fmt.Sprintf("store%d", i), w.sinks[i],
			stream.BatchOf(w.s.Batch, time.Millisecond), stream.Retry(50, time.Microsecond))
	}
	return p
}

// operators describes the scenario's.
func (w *theatre) operators(from stream.Flow[int]) []stream.Flow[int] {
	open := []stream.Flow[int]{from}
	for i, o := range w.s.Ops {
		in, rest := take(o, open)
		open = append(rest, w.operator(o, fmt.Sprintf("op%d", i), in, &w.dead[i])...)
	}
	return open
}

// operator describes what an op does with the flows that it takes.
func (w *theatre) operator(o op, name string, in []stream.Flow[int], dead *streamtest.Sink[stream.Rejected]) []stream.Flow[int] {
	workers := stream.Workers(o.Workers)
	switch o.Kind {
	case "broadcast":
		return stream.Broadcast(in[0], name, o.branches())
	case "partition":
		return stream.Partition(in[0], name, o.branches(), o.key)
	case "merge":
		return []stream.Flow[int]{stream.Merge(name, in...)}
	case "window":
		return []stream.Flow[int]{stream.Window(in[0], name, o.size(), sum.add, sum.out)}
	case "batch":
		lists := stream.Batch(in[0], name, o.size())
		return []stream.Flow[int]{stream.FlatMap(lists, name+"-apart", func(_ context.Context, list []int) iter.Seq2[int, error] {
			return each(o.gather(slices.Clone(list)))
		}, workers)}
	case "filter":
		keep := func(v int) bool { out, _ := o.apply(v); return len(out) > 0 }
		return []stream.Flow[int]{stream.Filter(in[0], name, keep, workers)}
	case "spread":
		return []stream.Flow[int]{stream.FlatMap(in[0], name, func(_ context.Context, v int) iter.Seq2[int, error] {
			out, _ := o.apply(v)
			return each(out)
		}, workers)}
	default:
		return []stream.Flow[int]{stream.Map(in[0], name, func(_ context.Context, v int) (int, error) {
			out, rejected := o.apply(v)
			if rejected {
				return 0, stream.Reject("as agreed")
			}
			return out[0], nil
		}, workers, stream.DeadLetter(dead))}
	}
}

func each[T any](vs []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, v := range vs {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// play runs until the source has ended, or for ever seems to have come.
func (w *theatre) play() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // of a bubble: a sound pipeline takes seconds
	defer cancel()
	p := w.pipeline(w.cluster.Client("nobody"))
	w.stages, w.edges = p.Stages(), p.Edges()
	var all sync.WaitGroup
	for _, name := range w.stages {
		all.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if err := w.run(ctx, name, n); err == nil && name == "ingest" {
					cancel()
				}
				time.Sleep(time.Millisecond)
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
	stage, on := w.stages[f.Where%len(w.stages)], w.edges[f.Where%len(w.edges)]
	w.mu.Lock()
	proc, began := w.processes[stage]
	w.mu.Unlock()
	if !began {
		return // the first items pass while some stage is still to begin: nothing of it can fail
	}
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
		go func() { _ = w.run(ctx, stage, 1000) }()
		proc.cl.EndSession()
	}
}
