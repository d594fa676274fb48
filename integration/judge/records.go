package judge

import (
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// judgeRecords checks what needs no search: how each edge's states follow each other, and what became of each operation.
func judgeRecords(h *history.History, ix *index) findings {
	var fs findings
	rings := map[locator.ArenaID]string{}
	for _, tl := range ix.edges {
		tl.grows(&fs)
		tl.holds(&fs, rings)
	}
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Kind == history.Change {
			ix.carriedOut(&fs, op)
		}
	}
	ix.foretold(h, &fs)
	for _, f := range h.Finals {
		ix.kept(&fs, h, f)
	}
	agreed(&fs, h.Finals)
	return fs
}

// grows checks that generations follow revisions: a grant is above all before it, what comes by itself changes none.
func (tl *timeline) grows(fs *findings) {
	top := fence.Epoch(0)
	for _, r := range tl.order {
		s := tl.states[r]
		switch {
		case byItself(s.reason) && s.generation < top, !byItself(s.reason) && s.generation <= top:
			fs.add("records", "edge %s at revision %d has generation %d (%s), after %d", tl.name, r, s.generation, s.reason, top)
		}
		top = max(top, s.generation)
	}
}

// holds checks that a generation has one ring, a ring one generation, and a role's epoch one session.
func (tl *timeline) holds(fs *findings, rings map[locator.ArenaID]string) {
	arenas, holders := map[fence.Epoch]locator.ArenaID{}, map[string]lease.SessionID{}
	for _, r := range tl.order {
		e := tl.states[r].record
		if e == nil {
			continue
		}
		if was, ok := arenas[e.Generation]; ok && was != e.Locator.Arena && e.Locator.Arena != "" {
			fs.add("records", "edge %s: generation %d has two rings, %s and %s", tl.name, e.Generation, was, e.Locator.Arena)
		}
		if e.Locator.Arena != "" {
			arenas[e.Generation] = e.Locator.Arena
			owner := fmt.Sprintf("%s generation %d", tl.name, e.Generation)
			if was, ok := rings[e.Locator.Arena]; ok && was != owner {
				fs.add("records", "ring %s belongs to %s and to %s", e.Locator.Arena, was, owner)
			}
			rings[e.Locator.Arena] = owner
		}
		for role, side := range map[string]api.Side{"producer": e.Producer, "consumer": e.Consumer} {
			key := fmt.Sprint(role, side.Epoch)
			if was, ok := holders[key]; ok && !side.Free() && was != side.Session {
				fs.add("records", "edge %s: epoch %d of the %s has two holders, %s and %s", tl.name, side.Epoch, role, was, side.Session)
			}
			if !side.Free() {
				holders[key] = side.Session
			}
		}
	}
}

// carriedOut checks that an operation's traces fit what its client was told, and are on all its edges at one revision.
func (ix *index) carriedOut(fs *findings, op *history.Op) {
	var at api.Revision
	for _, ec := range op.Change.Edges {
		tl := ix.edge(ec.Name)
		r, ok := tl.tags[op.Tag]
		if !ok {
			continue
		}
		if op.Outcome == history.Refused {
			fs.add("records", "edge %s at revision %d was made by %s, which was refused: %s", ec.Name, r, op.Tag, op.Error.Message)
		}
		if first := tl.states[r].first; first < op.Call {
			fs.add("records", "edge %s at revision %d was seen at %d, before %s asked for it at %d", ec.Name, r, first, op.Tag, op.Call)
		}
		if at != 0 && at != r {
			fs.add("records", "%s took effect in pieces, at revisions %d and %d", op.Tag, at, r)
		}
		at = r
	}
}

// foretold checks that nobody, stale readers included, was shown what nobody had asked for yet.
func (ix *index) foretold(h *history.History, fs *findings) {
	for name, tl := range ix.edges {
		for r, op := range tl.claims {
			if s := tl.states[r]; s != nil && s.first < op.Call {
				fs.add("records", "edge %s at revision %d was seen at %d, before client %d asked for it at %d",
					name, r, s.first, op.Client, op.Call)
			}
		}
	}
}

// kept checks that whatever was confirmed is in a node's final history, or behind it.
func (ix *index) kept(fs *findings, h *history.History, f history.Final) {
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Outcome != history.Applied || op.Kind != history.Change && op.Kind != history.Relocate {
			continue
		}
		for _, e := range op.Edges {
			past, made := f.Past[e.Name], ix.made(e)
			if len(past) == 0 {
				if !ix.deletable(h, e.Name) {
					fs.add("records", "node %d has no edge %s, which nobody deleted", f.Node, e.Name)
				}
				continue
			}
			at := slices.IndexFunc(past, func(c api.Change) bool { return c.Revision == made })
			if past[0].Revision <= made && at < 0 {
				fs.add("records", "node %d has forgotten revision %d of edge %s, which client %d was told", f.Node, made, e.Name, op.Client)
			}
		}
	}
}

// deletable reports whether somebody tried to delete an edge.
func (ix *index) deletable(h *history.History, edge string) bool {
	return slices.ContainsFunc(h.Ops, func(op history.Op) bool { return op.Kind == history.Delete && op.Edge == edge })
}

// agreed checks that all nodes ended with the same.
func agreed(fs *findings, finals []history.Final) {
	for _, f := range finals[min(1, len(finals)):] {
		a, b := finals[0], f
		same := slices.EqualFunc(a.Edges, b.Edges, func(x, y api.Edge) bool {
			return x.Name == y.Name && x.Revision == y.Revision && differs(x, y) == ""
		})
		if !same {
			fs.add("records", "nodes %d and %d ended with other edges: %s, %s", a.Node, b.Node, brief(a.Edges), brief(b.Edges))
		}
		if !slices.Equal(a.Leases, b.Leases) {
			fs.add("records", "nodes %d and %d ended with other leases: %v, %v", a.Node, b.Node, a.Leases, b.Leases)
		}
	}
}

func brief(edges []api.Edge) (s string) {
	for _, e := range edges {
		s += fmt.Sprintf("%s@%d ", e.Name, e.Revision)
	}
	return s
}
