package judge

import (
	"cmp"
	"maps"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/lease"
)

// index is what all observations say together about what each edge ever was.
type index struct {
	edges map[string]*timeline
}

// timeline is one edge's states by revision, as far as somebody saw them.
type timeline struct {
	name   string
	states map[api.Revision]*state
	grants map[fence.Epoch]api.Revision   // the revision at which a generation was granted, if it was seen
	tags   map[string]api.Revision        // the revision that an operation made, if it was seen
	gone   map[api.Revision]lease.Instant // deletions that watches told of, and when first
	claims map[api.Revision]*history.Op   // the operation that was confirmed to have made it
	order  []api.Revision                 // of states, ascending
}

// state is an edge at one revision.
type state struct {
	revision   api.Revision
	generation fence.Epoch
	reason     api.Reason
	tags       []string  // that it shows: of the operations that made it or gave its roles
	record     *api.Edge // nil: only a line of history was seen
	first      lease.Instant
}

// byItself reports whether a change of this reason is nobody's operation: time, a node or an operator's word about a lease.
func byItself(r api.Reason) bool {
	switch r {
	case api.ReasonExpired, api.ReasonRevoked, api.ReasonGone, api.ReasonRecovered, api.ReasonSpareLost:
		return true
	default:
		return false
	}
}

func newIndex(h *history.History) (*index, findings) {
	ix, fs := &index{edges: map[string]*timeline{}}, findings{}
	for i := range h.Ops {
		op := &h.Ops[i]
		for _, e := range op.Edges {
			ix.edge(e.Name).see(&fs, e, op.Return)
		}
		for _, c := range op.Past {
			ix.edge(op.Edge).seePast(&fs, c, op.Return)
		}
	}
	for _, s := range h.Streams {
		for _, line := range s.Seen {
			if e := line.Event.Edge; e != nil {
				ix.edge(e.Name).see(&fs, *e, line.At)
			}
		}
	}
	for _, f := range h.Finals {
		for _, e := range f.Edges {
			ix.edge(e.Name).see(&fs, e, forever)
		}
		for name, past := range f.Past {
			for _, c := range past {
				ix.edge(name).seePast(&fs, c, forever)
			}
		}
	}
	ix.claim(h, &fs)
	for _, tl := range ix.edges {
		tl.order = slices.Sorted(maps.Keys(tl.states))
	}
	return ix, fs
}

// claim notes which operation was confirmed to have made which revision. An answer that was given again may show a later
// revision, which came by itself.
func (ix *index) claim(h *history.History, fs *findings) {
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Outcome != history.Applied || op.Kind != history.Change && op.Kind != history.Relocate {
			continue
		}
		for _, e := range op.Edges {
			tl, made := ix.edge(e.Name), ix.made(e)
			if was := tl.claims[made]; was != nil {
				fs.add("records", "edge %s at revision %d is what two operations were told that they made: clients %d and %d",
					e.Name, made, was.Client, op.Client)
			}
			tl.claims[made] = op
		}
	}
}

// made returns the revision that granted a record's generation, or the record's if that was not seen.
func (ix *index) made(e api.Edge) api.Revision {
	if granted, ok := ix.edge(e.Name).grants[e.Generation]; ok && byItself(e.Reason) {
		return granted
	}
	return e.Revision
}

// forever is later than everything: the return of a call that may still have its effect.
const forever = lease.Instant(1 << 62)

func (ix *index) edge(name string) *timeline {
	tl := ix.edges[name]
	if tl == nil {
		tl = &timeline{
			name: name, states: map[api.Revision]*state{}, grants: map[fence.Epoch]api.Revision{},
			tags: map[string]api.Revision{}, gone: map[api.Revision]lease.Instant{}, claims: map[api.Revision]*history.Op{},
		}
		ix.edges[name] = tl
	}
	return tl
}

// see takes in a record that somebody was shown at an instant.
func (tl *timeline) see(fs *findings, e api.Edge, at lease.Instant) {
	if e.Deleted {
		if was, ok := tl.gone[e.Revision]; !ok || at < was {
			tl.gone[e.Revision] = at
		}
		return
	}
	s := tl.at(fs, e.Revision, e.Generation, e.Reason, at)
	if s.record == nil {
		s.record = &e
	} else if diff := differs(*s.record, e); diff != "" {
		fs.add("records", "edge %s at revision %d has two contents: %s", tl.name, e.Revision, diff)
	}
	for _, side := range []api.Side{e.Producer, e.Consumer} {
		if side.Epoch == e.Generation && !byItself(e.Reason) {
			tl.tag(fs, s, side.Stage)
		}
	}
}

func (tl *timeline) seePast(fs *findings, c api.Change, at lease.Instant) {
	s := tl.at(fs, c.Revision, c.Generation, c.Reason, at)
	if !byItself(c.Reason) {
		tl.tag(fs, s, c.Detail)
	}
}

func (tl *timeline) at(fs *findings, r api.Revision, g fence.Epoch, reason api.Reason, at lease.Instant) *state {
	s := tl.states[r]
	if s == nil {
		s = &state{revision: r, generation: g, reason: reason, first: at}
		tl.states[r] = s
	}
	s.first = min(s.first, at)
	// One command may end a ring's lease and a role's session: two lines of history at one revision.
	alike := s.reason == reason || byItself(s.reason) && byItself(reason)
	if s.generation != g || !alike {
		fs.add("records", "edge %s at revision %d has two contents: generation %d, %s; generation %d, %s",
			tl.name, r, s.generation, s.reason, g, reason)
	}
	if !byItself(reason) {
		if was, ok := tl.grants[g]; ok && was != r {
			fs.add("records", "edge %s: generation %d was granted twice, at revisions %d and %d", tl.name, g, was, r)
		}
		tl.grants[g] = r
	}
	return s
}

// tag notes that s shows an operation's trace, and is its doing.
func (tl *timeline) tag(fs *findings, s *state, tag string) {
	if tag == "" || slices.Contains(s.tags, tag) {
		return
	}
	if was, ok := tl.tags[tag]; ok && was != s.revision {
		fs.add("records", "edge %s: operation %s was carried out twice, at revisions %d and %d", tl.name, tag, was, s.revision)
	}
	tl.tags[tag] = s.revision
	s.tags = append(s.tags, tag)
}

// differs says in what two records differ that must be the same. Where a node is reached may change by itself.
func differs(a, b api.Edge) string {
	switch {
	case a.Generation != b.Generation:
		return "" // said already
	case a.Reason != b.Reason:
		return "reasons " + string(a.Reason) + ", " + string(b.Reason)
	case a.Locator.Arena != b.Locator.Arena || a.Locator.Node != b.Locator.Node:
		return "rings " + string(a.Locator.Arena) + ", " + string(b.Locator.Arena)
	case a.Producer != b.Producer:
		return "producers " + cmp.Or(string(a.Producer.Session), "none") + ", " + cmp.Or(string(b.Producer.Session), "none")
	case a.Consumer != b.Consumer:
		return "consumers " + cmp.Or(string(a.Consumer.Session), "none") + ", " + cmp.Or(string(b.Consumer.Session), "none")
	case a.Codec != b.Codec || a.Capacity != b.Capacity || !a.Changed.Equal(b.Changed):
		return "codec, capacity or time"
	}
	return ""
}

// driftsTo reports whether the edge can come from revision a to b without anybody's operation.
func (tl *timeline) driftsTo(a, b api.Revision) bool {
	from, to := tl.states[a], tl.states[b]
	return from != nil && to != nil && a < b && byItself(to.reason) && from.generation == to.generation
}
