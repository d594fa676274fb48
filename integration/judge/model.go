package judge

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
)

// cell is one edge in the model. A revision says everything, since each has one content, which is checked apart from this.
type cell struct {
	revision api.Revision // zero: there is no edge
	unseen   bool         // it is one that an operation of unknown outcome made of revision, if it did, and that nobody saw
}

// world is a group in the model.
type world [groupMax]cell

// judgeEdges looks for one order of each group's operations that explains all answers.
func judgeEdges(h *history.History, ix *index, patience time.Duration) findings {
	all, fs := groups(h, ix)
	for _, g := range all {
		result, info := porcupine.CheckOperationsVerbose(g.model(), g.ops, patience)
		if result != porcupine.Ok {
			fs.add("edges", "group %s: %d operations fit no order (%s); %s", g.name, len(g.ops), result, g.stuck(info))
		}
	}
	return fs
}

// stuck says how far an order could be found, and what could not follow.
func (g *group) stuck(info porcupine.LinearizationInfo) string {
	longest := []int{}
	for _, partition := range info.PartialLinearizations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	done := map[int]bool{}
	for _, id := range longest {
		done[id] = true
	}
	said := fmt.Sprintf("the longest has %d", len(longest))
	if n := len(longest); n > 0 {
		said += fmt.Sprintf(", up to {%v}", g.ops[longest[n-1]].Input)
	}
	left := 0
	for id, op := range g.ops {
		if done[id] || op.Return == int64(forever) {
			continue
		}
		if left++; left <= 5 {
			said += fmt.Sprintf("; left out {%v} by client %d [%d, %d]", op.Input, op.ClientId, op.Call, op.Return)
		}
	}
	return said
}

func (g *group) model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init:              func() []any { return []any{world{}} },
		Step:              func(state, input, _ any) []any { return g.step(state.(world), input.(step)) },
		DescribeOperation: func(input, _ any) string { return input.(step).String() },
	}
	return m.ToModel()
}

// step returns what the group may be after an operation, nothing if the operation is not possible.
func (g *group) step(w world, s step) []any {
	switch s.verb {
	case reads:
		if next, ok := g.arrive(w, s); ok {
			return []any{next}
		}
	case changes:
		if next, ok := g.arrive(w, s); ok {
			return []any{s.leave(next)}
		}
	case conflicts:
		return g.differ(w, s)
	case deletes:
		if next, ok := g.arrive(w, s); ok {
			next[s.edges[0]] = cell{}
			return []any{next}
		}
	case deletesPerhaps:
		if next, ok := g.arrive(w, s); ok {
			next[s.edges[0]] = cell{}
			return []any{w, next}
		}
		return []any{w}
	case changesPerhaps:
		if next, ok := g.arrive(w, s); ok {
			for i, n := range s.edges {
				next[n] = cell{revision: s.expect[i], unseen: true}
			}
			return []any{w, next}
		}
		return []any{w}
	case moves:
		if g.movable(w, s.edges[0], s.left[0]) {
			return []any{s.leave(w)}
		}
	case movesPerhaps:
		return g.moved(w, s.edges[0])
	}
	return nil
}

// arrive lets the edges come to the revisions that the operation saw, by themselves if they can.
func (g *group) arrive(w world, s step) (world, bool) {
	for i, n := range s.edges {
		want := s.expect[i]
		c, tl := w[n], g.edges[n]
		switch {
		case !c.unseen && (c.revision == want || c.revision != 0 && tl.driftsTo(c.revision, want)):
		case c.unseen && tl.driftsUnseen(want):
		default:
			return w, false
		}
		w[n] = cell{revision: want}
	}
	return w, true
}

// driftsUnseen reports whether the edge may have come to a revision by itself from one that nobody saw.
func (tl *timeline) driftsUnseen(to api.Revision) bool {
	s := tl.states[to]
	if s == nil || !byItself(s.reason) {
		return false
	}
	_, seen := tl.grants[s.generation]
	return !seen
}

func (s step) leave(w world) world {
	for i, n := range s.edges {
		w[n] = cell{revision: s.left[i]}
	}
	return w
}

// differ returns the worlds in which some edge has not the revision that the operation expected.
func (g *group) differ(w world, s step) (next []any) {
	for i, n := range s.edges {
		c := w[n]
		if c.unseen || c.revision != s.expect[i] {
			return []any{w}
		}
	}
	for i, n := range s.edges {
		for _, to := range g.edges[n].order {
			if g.edges[n].driftsTo(s.expect[i], to) {
				drifted := w
				drifted[n] = cell{revision: to}
				next = append(next, drifted)
			}
		}
	}
	return next
}

// movable reports whether a move could leave an edge at a revision: the edge is there, and one generation below.
func (g *group) movable(w world, n int, left api.Revision) bool {
	c, tl := w[n], g.edges[n]
	if c.unseen {
		return true
	}
	was, is := tl.states[c.revision], tl.states[left]
	return was != nil && is != nil && was.generation+1 == is.generation
}

// moved returns what a move of unknown outcome may have left: nothing new, what somebody saw, or what nobody did.
func (g *group) moved(w world, n int) []any {
	next := []any{w}
	c, tl := w[n], g.edges[n]
	if c.revision == 0 && !c.unseen {
		return next
	}
	for _, left := range tl.order {
		s := tl.states[left]
		if s.reason == api.ReasonRequested && tl.claims[left] == nil && len(s.tags) == 0 && g.movable(w, n, left) {
			seen := w
			seen[n] = cell{revision: left}
			next = append(next, seen)
		}
	}
	unseen := w
	unseen[n] = cell{revision: c.revision, unseen: true}
	return append(next, unseen)
}
