package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
)

// groupMax is how many edges a group may have.
const groupMax = 4

// group is the edges that are one object, and the operations on them.
type group struct {
	name  string
	edges []*timeline // by name
	ops   []porcupine.Operation
}

// what an operation does to the edges that it names.
type verb uint8

const (
	reads verb = iota
	changes
	conflicts // a change or deletion that met another revision
	changesPerhaps
	deletes
	deletesPerhaps
	moves
	movesPerhaps
)

// step is an operation as the model sees it: by edge of the group, which revision it saw or expected and which it left.
type step struct {
	op     *history.Op
	verb   verb
	edges  []int // which of the group's
	expect []api.Revision
	left   []api.Revision
}

// groups sorts the history's operations by what they are about. Operations without effect on what anybody sees are left out.
func groups(h *history.History, ix *index) ([]*group, findings) {
	var fs findings
	by := map[string]*group{}
	for name, tl := range ix.edges {
		g := by[GroupOf(name)]
		if g == nil {
			g = &group{name: GroupOf(name)}
			by[g.name] = g
		}
		g.edges = append(g.edges, tl)
	}
	var all []*group
	for _, g := range by {
		slices.SortFunc(g.edges, func(a, b *timeline) int { return strings.Compare(a.name, b.name) })
		if len(g.edges) > groupMax {
			fs.add("edges", "group %s has %d edges: the model has room for %d", g.name, len(g.edges), groupMax)
			continue
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *group) int { return strings.Compare(a.name, b.name) })
	for i := range h.Ops {
		op := &h.Ops[i]
		if g := by[GroupOf(subject(op))]; g != nil {
			g.add(ix, op)
		}
	}
	return all, fs
}

// subject returns an edge or the group that an operation is about.
func subject(op *history.Op) string {
	switch {
	case op.Change != nil:
		return op.Change.Edges[0].Name
	case op.Group != "":
		return op.Group
	default:
		return op.Edge
	}
}

func (g *group) add(ix *index, op *history.Op) {
	s, returned := step{op: op}, op.Return
	ok := false
	switch op.Kind {
	case history.Change:
		ok, returned = s.change(ix, g)
	case history.Relocate, history.Delete:
		ok, returned = s.single(g)
	case history.Read, history.Past, history.List:
		ok = op.Fresh != api.Stale && s.read(g)
	}
	if !ok {
		return
	}
	g.ops = append(g.ops, porcupine.Operation{
		ClientId: op.Client, Input: s, Call: int64(op.Call), Output: nil, Return: int64(max(returned, op.Call)),
	})
}

func (g *group) number(edge string) int {
	return slices.IndexFunc(g.edges, func(tl *timeline) bool { return tl.name == edge })
}

// change compiles a change. One of unknown outcome whose trace was seen had happened by then.
func (s *step) change(ix *index, g *group) (bool, lease.Instant) {
	op := s.op
	for _, ec := range op.Change.Edges {
		n := g.number(ec.Name)
		if n < 0 {
			return false, 0 // nobody ever saw the edge
		}
		s.edges, s.expect = append(s.edges, n), append(s.expect, ec.Expect)
	}
	switch {
	case op.Outcome == history.Applied:
		s.verb = changes
		for _, n := range s.edges {
			i := slices.IndexFunc(op.Edges, func(e api.Edge) bool { return e.Name == g.edges[n].name })
			if i < 0 {
				return false, 0
			}
			s.left = append(s.left, ix.made(op.Edges[i]))
		}
		return true, op.Return
	case op.Outcome == history.Refused && op.Error.Kind == api.KindConflict:
		s.verb = conflicts
		return !s.traced(g), op.Return // a trace of what was refused is said elsewhere
	case op.Outcome == history.Refused:
		return false, 0
	}
	return s.unknown(g)
}

// traced reports whether any edge shows the operation's tag.
func (s *step) traced(g *group) bool {
	return slices.ContainsFunc(s.edges, func(n int) bool { _, ok := g.edges[n].tags[s.op.Tag]; return ok })
}

func (s *step) unknown(g *group) (bool, lease.Instant) {
	for i, n := range s.edges {
		tl := g.edges[n]
		at, ok := tl.tags[s.op.Tag]
		if !ok {
			at, ok = tl.heir(s.expect[i], s.op)
		}
		if !ok {
			continue
		}
		s.verb = changes
		for range s.edges {
			s.left = append(s.left, at) // one command, one revision
		}
		return true, tl.states[at].first
	}
	s.verb = changesPerhaps
	return true, forever
}

// heir returns the revision that op made of the one that it expected, if what came after that one has no other maker: a move
// of a ring without a change of hands leaves no tag in the record.
func (tl *timeline) heir(expected api.Revision, op *history.Op) (api.Revision, bool) {
	was := tl.states[expected]
	if was == nil {
		return 0, false
	}
	next, ok := tl.grants[was.generation+1]
	if !ok || tl.claims[next] != nil || len(tl.states[next].tags) > 0 || tl.states[next].reason != op.Change.Reason {
		return 0, false
	}
	return next, true
}

// single compiles a move or a deletion.
func (s *step) single(g *group) (bool, lease.Instant) {
	op := s.op
	n := g.number(op.Edge)
	if n < 0 {
		return false, 0
	}
	s.edges, s.expect = []int{n}, []api.Revision{op.Expect}
	sure, perhaps := deletes, deletesPerhaps
	if op.Kind == history.Relocate {
		sure, perhaps = moves, movesPerhaps
	}
	switch {
	case op.Outcome == history.Unknown:
		s.verb = perhaps
		return true, forever
	case op.Outcome == history.Refused && op.Error.Kind == api.KindNotFound:
		s.verb, s.expect = reads, []api.Revision{0}
	case op.Outcome == history.Refused:
		s.verb = conflicts
		return op.Kind == history.Delete && op.Error.Kind == api.KindConflict, op.Return
	default:
		s.verb = sure
		for _, e := range op.Edges {
			s.left = append(s.left, e.Revision)
		}
	}
	return true, op.Return
}

// read compiles a read of one edge or of all.
func (s *step) read(g *group) bool {
	op := s.op
	s.verb = reads
	seen := map[string]api.Revision{}
	for _, e := range op.Edges {
		seen[e.Name] = e.Revision
	}
	if n := len(op.Past); n > 0 {
		seen[op.Edge] = op.Past[n-1].Revision
	}
	for n, tl := range g.edges {
		if op.Kind == history.List || tl.name == op.Edge {
			s.edges, s.expect = append(s.edges, n), append(s.expect, seen[tl.name])
		}
	}
	return len(s.edges) > 0
}

func (s step) String() string {
	what := fmt.Sprintf("%s %s %s", s.op.Kind, s.op.Fresh, subject(s.op))
	if s.op.Tag != "" {
		what += " " + s.op.Tag
	}
	what += fmt.Sprintf(" saw %v left %v: %s", s.expect, s.left, s.op.Outcome)
	if s.op.Error != nil {
		what += fmt.Sprintf(" (%s)", s.op.Error.Kind)
	}
	return what
}
