package timeline

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// Edge is what is known of an edge.
type Edge struct {
	Name       string
	Generation fence.Epoch
	Node       string // where its ring lies
	Items      uint64 // accepted by its consumers, repeats not counted
	Repeats    uint64 // that its producers spared the ring, or its consumers dropped
	rate       rate
}

// Rate returns the items per second that the edge's consumer accepted over the last second before now.
func (e *Edge) Rate(now time.Time) float64 { return e.rate.at(now) }

// Timeline is everything that was made of the events so far.
type Timeline struct {
	start    time.Time
	edges    []*Edge
	counts   map[side]api.EdgeReport // latest of each running process
	commits  []commit
	line     uint64 // highest that is stored or turned away
	leader   string
	claims   map[claim]string
	failures []*Failure
}

type side struct {
	process, edge string
	role          fabric.Role
}

type claim struct {
	edge string
	role fabric.Role
}

type commit struct {
	at    time.Time
	items uint64
}

// New returns the timeline of a pipeline with the named edges, in this order, that starts now.
func New(start time.Time, edges ...string) *Timeline {
	t := &Timeline{start: start, counts: map[side]api.EdgeReport{}, claims: map[claim]string{}}
	for _, name := range edges {
		t.edges = append(t.edges, &Edge{Name: name})
	}
	return t
}

// Add takes the next event. Events of different processes may come a little out of order.
func (t *Timeline) Add(e event.Event) {
	switch e.Kind {
	case event.Exited:
		t.retire(e.Process)
	case event.Claimed:
		t.claims[claim{e.Edge, e.Role}] = e.Process
	case event.Counted:
		t.count(e)
	case event.Committed:
		t.commits = append(t.commits, commit{e.At, e.Items})
		t.line = max(t.line, e.Line)
	case event.Rejected:
		t.line = max(t.line, e.Line)
	case event.Changed, event.Bound:
		t.move(e)
	case event.Leading:
		t.leader = e.Process
	case event.Rewired:
		t.rewired(e)
	}
	if e.Kind == event.Killed {
		t.failures = append(t.failures, t.newFailure(e))
	} else if n := len(t.failures); n > 0 {
		t.failures[n-1].observe(e)
	}
}

// Start returns when the timeline began.
func (t *Timeline) Start() time.Time { return t.start }

// Line returns the number of the highest input line that is known to be stored or turned away.
func (t *Timeline) Line() uint64 { return t.line }

// Leader returns the process of the node that leads the Raft group, empty if none is known.
func (t *Timeline) Leader() string { return t.leader }

// Holder returns the process that was the last to claim a role.
func (t *Timeline) Holder(edge string, role fabric.Role) string { return t.claims[claim{edge, role}] }

// Edges returns the edges, in the pipeline's order. The caller must not change them.
func (t *Timeline) Edges() []*Edge { return t.edges }

// Edge returns one edge, nil if there is none of that name.
func (t *Timeline) Edge(name string) *Edge {
	for _, e := range t.edges {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Repeats returns how many repeated items were dropped on all edges.
func (t *Timeline) Repeats() (n uint64) {
	for _, e := range t.edges {
		n += e.Repeats
	}
	return n
}

// move notes where an edge's ring lies. A stage's word counts only until the watch has spoken of the same generation: the
// watch knows nodes by name.
func (t *Timeline) move(e event.Event) {
	known := t.Edge(e.Edge)
	if known == nil || e.Generation < known.Generation {
		return
	}
	if e.Generation > known.Generation || e.Kind == event.Changed {
		known.Generation, known.Node = e.Generation, e.Node
	}
}

// count notes a process's counters, and adds what has come to the edges. They count from the process's start, or from its
// latest claim: one that fell has started over.
func (t *Timeline) count(e event.Event) {
	for _, r := range e.Edges {
		known := t.Edge(r.Edge)
		if known == nil {
			continue
		}
		key := side{e.Process, r.Edge, r.Role}
		before := t.counts[key]
		if r.Items < before.Items || r.Repeats < before.Repeats {
			before = api.EdgeReport{}
		}
		t.counts[key] = r
		known.Repeats += r.Repeats - before.Repeats
		if r.Role == fabric.RoleConsumer {
			known.Items += r.Items - before.Items
			known.rate.add(e.At, known.Items)
		}
	}
}

// retire forgets the counters of a process, so that its successor of the same name may count from zero.
func (t *Timeline) retire(process string) {
	for key := range t.counts {
		if key.process == process {
			delete(t.counts, key)
		}
	}
}
