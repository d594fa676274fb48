package explore

import (
	"fmt"
	"strings"
)

// Result is what an exploration found.
type Result struct {
	States    int
	Exhausted bool   // every state within the bounds was visited
	Violation string // empty: none
	Trace     []string
}

// search is what has been visited, without the states themselves: of a state is known by which step of which other state it was reached first.
type search struct {
	b     Bounds
	m     Mutant
	seen  map[sum]uint32
	from  []uint32
	by    []uint16
	good  []bool
	edges [][2]uint32 // steps that are no faults, from and to
}

// Run explores breadth first, so that a violation comes with the shortest way to it.
func Run(b Bounds, m Mutant) Result {
	s := search{b: b, m: m, seen: map[sum]uint32{}}
	start := newWorld(b, m)
	s.add(start.key(), 0, 0, start.finished())
	var steps []step
	for queue, at := []*World{start}, 0; at < len(queue); at++ {
		w := queue[at]
		queue[at] = nil
		steps = w.steps(steps[:0])
		for i := range steps {
			next, err := w.after(&steps[i])
			if err != nil {
				return Result{States: len(s.from), Violation: err.Error(), Trace: s.trace(at, i)}
			}
			k := next.key()
			to, known := s.seen[k]
			if !known {
				to = s.add(k, at, i, next.finished())
				queue = append(queue, next)
			}
			if !steps[i].fault && to != uint32(at) {
				s.edges = append(s.edges, [2]uint32{uint32(at), to})
			}
		}
		if len(s.from) > b.States {
			return Result{States: len(s.from)}
		}
	}
	if stuck := s.unreachable(); stuck >= 0 {
		return Result{States: len(s.from), Violation: "L: the good end can not be reached any more", Trace: s.trace(stuck, -1)}
	}
	return Result{States: len(s.from), Exhausted: true}
}

func (s *search) add(k sum, from, by int, good bool) uint32 {
	n := uint32(len(s.from))
	s.seen[k] = n
	s.from, s.by, s.good = append(s.from, uint32(from)), append(s.by, uint16(by)), append(s.good, good)
	return n
}

// after takes a step in a copy of w and checks the invariants. The state machines panic on broken ones of their own.
func (w *World) after(s *step) (next *World, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	next = w.clone(s.who)
	if s.do != nil {
		err = s.do(next)
	} else {
		p := next.procs[s.who]
		next.feed(p, &p.ends[s.end], s.event)
	}
	if s.who >= 0 && next.procs[s.who].own {
		next.procs[s.who].s.Next() // passes over what need not be sent, as who sends does at once
	}
	if err == nil {
		err = next.check()
	}
	return next, err
}

// check verifies what must hold in every state.
func (w *World) check() error {
	if err := w.prefix(w.store.effects); err != nil {
		return err
	}
	if err := w.prefix(w.log.outs); err != nil {
		return fmt.Errorf("of the log: %w", err)
	}
	for i, p := range w.procs {
		if p.phase == dead && w.holds(p) {
			return fmt.Errorf("process %d counts itself as fenced, and has its roles", i)
		}
	}
	for source, c := range w.cursors {
		if c.upto == 0 {
			continue
		}
		if err := w.want(source, lastInput(c.upto)); err != nil {
			return fmt.Errorf("I4: all below offset %d of source %d is trimmed, but %w", c.upto, source, err)
		}
	}
	for _, a := range w.arenas {
		for _, p := range a.stable.Positions() {
			if err := w.want(a.edge, p); err != nil {
				return fmt.Errorf("I5: %v is acknowledged in ring %d of edge %d, but %w", p, a.gen, a.edge, err)
			}
		}
	}
	return nil
}

// holds reports whether a process still has all the roles that it was given.
func (w *World) holds(p *proc) bool {
	for k := range p.ends {
		e := &p.ends[k]
		if has := w.recs[e.edge].Consumer; !e.out && e.epoch != 0 && e.epoch != has {
			return false
		}
		if has := w.recs[e.edge].Producer; e.out && e.epoch != has {
			return false
		}
	}
	return true
}

// unreachable returns a state from which no good end can be reached without further faults, or -1.
func (s *search) unreachable() int {
	begin := make([]uint32, len(s.from)+1) // by where they lead: where in before those of a state begin
	for _, e := range s.edges {
		begin[e[1]+1]++
	}
	for i := range len(s.from) {
		begin[i+1] += begin[i]
	}
	before, filled := make([]uint32, len(s.edges)), append([]uint32(nil), begin...)
	for _, e := range s.edges {
		before[filled[e[1]]] = e[0]
		filled[e[1]]++
	}
	var stack []uint32
	for i, good := range s.good {
		if good {
			stack = append(stack, uint32(i))
		}
	}
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, from := range before[begin[i]:begin[i+1]] {
			if !s.good[from] {
				s.good[from] = true
				stack = append(stack, from)
			}
		}
	}
	for i, ok := range s.good {
		if !ok {
			return i
		}
	}
	return -1
}

// trace does all over again what led to a state, and one step more if there is one.
func (s *search) trace(at, last int) (names []string) {
	var by []int
	if last >= 0 {
		by = append(by, last)
	}
	for ; at > 0; at = int(s.from[at]) {
		by = append(by, int(s.by[at]))
	}
	w := newWorld(s.b, s.m)
	for i := len(by) - 1; i >= 0; i-- {
		step := w.steps(nil)[by[i]]
		names = append(names, w.name(&step))
		if next, err := w.after(&step); err == nil {
			w = next
		}
	}
	return names
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
