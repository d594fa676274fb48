package explore

import (
	"fmt"
	"strings"

	"github.com/grafnode/grafnode/position"
)

// Result is what an exploration found.
type Result struct {
	States    int
	Exhausted bool   // every state within the bounds was visited
	Violation string // empty: none
	Trace     []string
}

// node is a visited state, without the state.
type node struct {
	parent int
	by     string
	before []int // states from which a step that is no fault leads here
	good   bool
}

// Run explores breadth first, so that a violation comes with the shortest way to it.
func Run(b Bounds, m Mutant) Result {
	start := newWorld(b, m)
	seen := map[[16]byte]int{start.key(): 0}
	nodes := []node{{parent: -1, good: start.finished()}}
	for queue, at := []*World{start}, 0; at < len(queue); at++ {
		w := queue[at]
		queue[at] = nil
		for _, s := range w.steps() {
			next := w.clone(s.who)
			if err := attempt(s, next); err != nil {
				return Result{States: len(nodes), Violation: err.Error(), Trace: trace(nodes, at, s.name)}
			}
			k := next.key()
			to, known := seen[k]
			if !known {
				to = len(nodes)
				seen[k] = to
				nodes = append(nodes, node{parent: at, by: s.name, good: next.finished()})
				queue = append(queue, next)
			}
			if !s.fault {
				nodes[to].before = append(nodes[to].before, at)
			}
		}
		if len(nodes) > b.States {
			return Result{States: len(nodes)}
		}
	}
	if stuck := unreachable(nodes); stuck >= 0 {
		return Result{States: len(nodes), Violation: "L: the good end can not be reached any more", Trace: trace(nodes, stuck, "")}
	}
	return Result{States: len(nodes), Exhausted: true}
}

// attempt takes a step and checks the invariants. The state machines panic on broken ones of their own.
func attempt(s step, w *World) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if err := s.do(w); err != nil {
		return err
	}
	return w.check()
}

// check verifies what must hold in every state.
func (w *World) check() error {
	expected := w.expected()
	for i, e := range w.store.effects {
		if i >= len(expected) || e != expected[i] {
			return fmt.Errorf("I6: effects %v are not a prefix of %v", w.store.effects, expected)
		}
	}
	for i := range w.procs {
		if p := &w.procs[i]; p.phase == dead && w.holds(p) {
			return fmt.Errorf("process %d counts itself as fenced, and has its roles", i)
		}
	}
	effected := position.VectorOf(w.store.effects...)
	for x := range w.cursor.upto {
		if err := w.haveEffect(effected, position.Position{Offset: uint64(x)}.End()); err != nil {
			return fmt.Errorf("I4: offset %d is trimmed, but %w", x, err)
		}
	}
	for _, a := range w.arenas {
		for _, p := range a.stable.Positions() {
			if w.b.Stage && a.edge == 0 {
				p = p.End()
			}
			if err := w.haveEffect(effected, p); err != nil {
				return fmt.Errorf("I5: %v is acknowledged in ring %d of edge %d, but %w", p, a.gen, a.edge, err)
			}
		}
	}
	return nil
}

// holds reports whether a process still has all the roles that it was given.
func (w *World) holds(p *proc) bool {
	return (p.in.epoch == 0 || p.in.epoch == w.recs[p.stage-1].Consumer) && (p.out.epoch == 0 || p.out.epoch == w.recs[p.stage].Producer)
}

// haveEffect reports which item up to p has had no effect.
func (w *World) haveEffect(effected position.Vector, p position.Position) error {
	for _, e := range w.expected() {
		if e.Compare(p) <= 0 && !effected.Covers(e) {
			return fmt.Errorf("%v has had no effect", e)
		}
	}
	return nil
}

// unreachable returns a state from which no good end can be reached without further faults, or -1.
func unreachable(nodes []node) int {
	ok := make([]bool, len(nodes))
	var stack []int
	for i, n := range nodes {
		if n.good {
			ok[i] = true
			stack = append(stack, i)
		}
	}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, before := range nodes[i].before {
			if !ok[before] {
				ok[before] = true
				stack = append(stack, before)
			}
		}
	}
	for i := range nodes {
		if !ok[i] {
			return i
		}
	}
	return -1
}

func trace(nodes []node, i int, last string) (steps []string) {
	for ; i > 0; i = nodes[i].parent {
		steps = append([]string{nodes[i].by}, steps...)
	}
	if last != "" {
		steps = append(steps, last)
	}
	return steps
}

// String tells the result and, for a violation, how to get there.
func (r Result) String() string {
	switch {
	case r.Violation != "":
		return fmt.Sprintf("%s, after %d states:\n  %s", r.Violation, r.States, strings.Join(r.Trace, "\n  "))
	case r.Exhausted:
		return fmt.Sprintf("no violation in all %d states", r.States)
	default:
		return fmt.Sprintf("no violation in %d states; not exhausted", r.States)
	}
}
