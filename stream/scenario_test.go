package stream_test

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/stream"
)

// op is one operator of a random pipeline of integers. It takes open flows and leaves others open at the end of the list.
type op struct {
	Kind    string
	K       int
	Workers int
	From    int // which flow, modulo the number of those that are open; a merge takes the next one, too
}

// apply is what an operator does with one item, said without a pipeline.
func (o op) apply(v int) (out []int, rejected bool) {
	switch o.Kind {
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
	case "spread":
		for k := range v % (o.K + 1) {
			out = append(out, v*10+k)
		}
		return out, false
	default: // add
		return []int{v + o.K}, false
	}
}

// branch is where a partition sends an item.
func (o op) branch(v int) int { return stream.BranchOf(o.key(v), o.branches()) }
func (o op) key(v int) string { return string(rune('a' + v%7)) }
func (o op) branches() int    { return o.K%3 + 1 }

// size is how many items a window or batch of the operator has.
func (o op) size() int { return 1 + 4*o.K }

// sum is the state of a window: where it begins and ends shows in what comes out.
type sum struct{ Items, Sum int }

func (s sum) add(v int) sum { return sum{s.Items + 1, 3*s.Sum + v} }
func (s sum) out() int      { return 100*s.Sum + s.Items }

// gather is what an operator does with as many items of a lane as its windows have, or fewer at the end.
func (o op) gather(vs []int) []int {
	if o.Kind == "batch" {
		slices.Reverse(vs)
		return vs
	}
	var s sum
	for _, v := range vs {
		s = s.add(v)
	}
	return []int{s.out()}
}

// scenario is a random pipeline and what befalls it.
type scenario struct {
	Inputs int
	Lanes  int // of the source; item v is in lane v % Lanes
	Ops    []op
	Batch  int
	Every  time.Duration // checkpoints
	Faults []fault
}

// fault happens when the sinks have committed that often or, if it is one of a checkpoint, when so many have been asked for.
type fault struct {
	After int
	What  string
	Where int // stage, or edge, modulo their number
}

// plainFlow is what a flow carries, lane by lane, and how many flat-maps it comes through.
type plainFlow struct {
	lanes [][]int
	depth int
}

func drawScenario(t *rapid.T) scenario {
	s := scenario{
		Inputs: rapid.IntRange(0, 400).Draw(t, "inputs"), Lanes: rapid.SampledFrom([]int{1, 1, 3}).Draw(t, "lanes"),
		Batch: rapid.IntRange(1, 40).Draw(t, "batch"),
		Every: rapid.SampledFrom([]time.Duration{0, time.Millisecond, stream.CheckpointDefault}).Draw(t, "every"),
	}
	open := []plainFlow{{lanes: make([][]int, s.Lanes)}}
	for range rapid.IntRange(0, 5).Draw(t, "operators") {
		o := op{
			Kind: rapid.SampledFrom(opKinds).Draw(t, "kind"), K: rapid.IntRange(0, 3).Draw(t, "k"),
			Workers: rapid.IntRange(1, 3).Draw(t, "workers"), From: rapid.IntRange(0, 3).Draw(t, "from"),
		}
		if !o.fits(open) {
			o.Kind = "add"
		}
		open, _ = o.flow(open)
		s.Ops = append(s.Ops, o)
	}
	for range rapid.IntRange(0, 6).Draw(t, "faults") {
		s.Faults = append(s.Faults, fault{
			After: rapid.IntRange(0, 20).Draw(t, "after"), Where: rapid.IntRange(0, 20).Draw(t, "where"),
			What: rapid.SampledFrom([]string{
				"lose ring", "lose one side", "revoke", "kill", "zombie", "commit lost", "commit unanswered",
				"checkpoint refused", "checkpoint unknown", "checkpoint applied unknown", "checkpoint late",
			}).Draw(t, "what"),
		})
	}
	return s
}

var opKinds = []string{"add", "reject", "filter", "spread", "broadcast", "partition", "merge", "window", "batch"}

// fits reports whether the pipeline stays small, and within what a position can say.
func (o op) fits(open []plainFlow) bool {
	switch o.Kind {
	case "spread", "batch":
		return open[o.From%len(open)].depth < 2
	case "broadcast", "partition":
		return len(open) < 4
	case "merge":
		return len(open) > 1
	}
	return true
}

// take removes what o takes from the open flows.
func take[F any](o op, open []F) (in []F, rest []F) {
	rest = slices.Clone(open)
	n := 1
	if o.Kind == "merge" {
		n = 2
	}
	for range n {
		i := o.From % len(rest)
		in = append(in, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return in, rest
}

// flow is what the operator does with whole flows, as plain loops.
func (o op) flow(open []plainFlow) (after []plainFlow, dead [][]int) {
	in, rest := take(o, open)
	switch o.Kind {
	case "merge":
		all := plainFlow{slices.Concat(in[0].lanes, in[1].lanes), max(in[0].depth, in[1].depth)}
		return append(rest, all), nil
	case "broadcast":
		for range o.branches() {
			rest = append(rest, in[0])
		}
		return rest, nil
	case "partition":
		for k := range o.branches() {
			rest = append(rest, in[0].each(func(v int) []int {
				if o.branch(v) == k {
					return []int{v}
				}
				return nil
			}))
		}
		return rest, nil
	case "window", "batch":
		out := plainFlow{make([][]int, len(in[0].lanes)), in[0].depth}
		for lane, vs := range in[0].lanes {
			for chunk := range slices.Chunk(slices.Clone(vs), o.size()) {
				out.lanes[lane] = append(out.lanes[lane], o.gather(chunk)...)
			}
		}
		if o.Kind == "batch" {
			out.depth++
		}
		return append(rest, out), nil
	}
	dead = make([][]int, len(in[0].lanes))
	for lane, vs := range in[0].lanes {
		for _, v := range vs {
			if _, rejected := o.apply(v); rejected {
				dead[lane] = append(dead[lane], v)
			}
		}
	}
	out := in[0].each(func(v int) []int {
		out, _ := o.apply(v)
		return out
	})
	if o.Kind == "spread" {
		out.depth++
	}
	return append(rest, out), dead
}

func (f plainFlow) each(do func(int) []int) plainFlow {
	out := plainFlow{make([][]int, len(f.lanes)), f.depth}
	for lane, vs := range f.lanes {
		for _, v := range vs {
			out.lanes[lane] = append(out.lanes[lane], do(v)...)
		}
	}
	return out
}

// reference is what the sinks of the flows that are left open hold, lane by lane, and the dead letters of each operator.
func (s scenario) reference() (want []plainFlow, dead [][][]int) {
	source := plainFlow{lanes: make([][]int, s.Lanes)}
	for v := 1; v <= s.Inputs; v++ {
		source.lanes[v%s.Lanes] = append(source.lanes[v%s.Lanes], v)
	}
	want = []plainFlow{source}
	for _, o := range s.Ops {
		var rejects [][]int
		want, rejects = o.flow(want)
		dead = append(dead, rejects)
	}
	return want, dead
}
