package stream_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// outcome is what the sinks hold at the end, lane by lane, and the dead letters of each operator.
type outcome struct {
	sinks [][][]int
	dead  [][][]int
}

// stage plays a scenario in a bubble of its own.
func stage(t *testing.T, s scenario, change ...func(*theatre)) (got outcome) {
	synctest.Test(t, func(*testing.T) {
		w := newTheatre(s)
		for _, do := range change {
			do(w)
		}
		w.play()
		got = w.outcome()
	})
	return got
}

func (w *theatre) outcome() (got outcome) {
	want, dead := w.s.reference()
	for i := range w.sinks {
		got.sinks = append(got.sinks, byLane(w.sinks[i], len(want[i].lanes), func(v int) int { return v }))
	}
	for i := range w.dead {
		got.dead = append(got.dead, byLane(&w.dead[i], len(dead[i]), func(r stream.Rejected) int { return r.Value.(int) }))
	}
	return got
}

func byLane[T any](sink *streamtest.Sink[T], lanes int, value func(T) int) [][]int {
	got := make([][]int, lanes)
	for _, item := range sink.Items() {
		got[item.Pos.Lane] = append(got[item.Pos.Lane], value(item.Value))
	}
	return got
}

// differs says what is not as a plain loop has it; empty: nothing.
func (s scenario) differs(got outcome) (where string, is, want []int) {
	sinks, dead := s.reference()
	for i, flow := range sinks {
		for lane := range flow.lanes {
			if !slices.Equal(flow.lanes[lane], got.sinks[i][lane]) {
				return "a sink", got.sinks[i][lane], flow.lanes[lane]
			}
		}
	}
	for i := range dead {
		for lane := range dead[i] {
			if !slices.Equal(dead[i][lane], got.dead[i][lane]) {
				return "the dead letters of an operator", got.dead[i][lane], dead[i][lane]
			}
		}
	}
	return "", nil, nil
}

// Whatever a pipeline does and whatever happens to it, the sinks hold what a plain loop makes of the input: nothing lost,
// nothing twice, in the order of its lane.
func TestRandomPipelinesUnderRandomFaults(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		if where, is, want := s.differs(stage(t, s)); where != "" {
			rt.Fatalf("%s has %v, want %v", where, is, want)
		}
	})
}

// The same by name: a process that dies, and one that is cut off and lives on, for each stage of each shape.
func TestEachStageIsTakenOver(t *testing.T) {
	for name, ops := range map[string][]op{
		"chain":     {{"reject", 3, 2, 0}, {"spread", 2, 1, 0}},
		"broadcast": {{"broadcast", 1, 1, 0}, {"filter", 2, 1, 0}, {"merge", 0, 1, 0}},
		"partition": {{"partition", 2, 1, 0}, {"spread", 2, 1, 1}, {"merge", 0, 1, 0}, {"merge", 0, 1, 0}},
		"window":    {{"filter", 1, 1, 0}, {"window", 3, 1, 0}},
		"batch":     {{"partition", 1, 1, 0}, {"batch", 2, 1, 0}, {"window", 1, 1, 0}, {"merge", 0, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			for where := range len(ops) + 2 {
				for _, what := range []string{"kill", "zombie"} {
					s := scenario{Inputs: 500, Lanes: 1, Ops: ops, Batch: 5, Every: 10 * time.Millisecond, Faults: []fault{{2, what, where}}}
					where, is, want := s.differs(stage(t, s))
					require.Empty(t, where, "has %v, want %v", is, want)
				}
			}
		})
	}
}
