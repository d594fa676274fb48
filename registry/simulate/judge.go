package simulate

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/watchcheck"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// judge knows all that was committed and all that anybody was told, at its true time.
type judge struct {
	w       *World
	verdict error

	log   []*entry // committed, in order; log[0] has index base+1
	base  uint64
	state *state.State // after the last of log
	floor uint64       // index up to which somebody has been told
	lost  uint64       // index of the last restore or recovery
	anew  api.Revision // of the state that it brought
	era   int          // counts recoveries
	group []server     // the newest that is committed

	edges   map[string]*edgeTruth
	ops     map[string]opTruth // by op ID: changes that were applied
	refused map[string]bool    // those of which somebody was told that they never will be
	regions map[string]holder  // block regions, by name
	drains  map[locator.NodeID]api.Drain
	terms   leaseTruths
	watches *watchcheck.Reference
}

// edgeTruth is what was ever granted on an edge.
type edgeTruth struct {
	top      fence.Epoch
	grants   map[fence.Epoch]grant // of rings and spares
	gone     map[fence.Epoch]bool  // those that were given up
	roles    [2]map[fence.Epoch]lease.SessionID
	versions []version // newest last
	since    uint64    // index from which on they are known
}

type grant struct {
	lease  locator.ArenaID
	node   locator.NodeID
	sides  [2]lease.SessionID
	epochs [2]fence.Epoch
}

// version is an edge's record from an index on; revision zero: there is none.
type version struct {
	index      uint64
	revision   api.Revision
	generation fence.Epoch
}

type opTruth struct {
	index    uint64
	revision api.Revision
	level    uint64 // the state's, then
}

// versionsMax is how many versions of an edge are remembered: no read takes as long as that.
const versionsMax = 4096

func newJudge(w *World) *judge {
	return &judge{
		w: w, state: state.New(), edges: map[string]*edgeTruth{}, ops: map[string]opTruth{}, refused: map[string]bool{},
		regions: map[string]holder{}, drains: map[locator.NodeID]api.Drain{}, terms: newLeaseTruths(w), watches: watchcheck.NewReference(),
	}
}

// object ends the run, unless it was over.
func (j *judge) object(format string, args ...any) {
	if j.verdict == nil {
		j.verdict = fmt.Errorf(format, args...)
	}
}

// committed takes an entry into the truth. Every leader says so of every entry; what is committed once stays.
func (j *judge) committed(e *entry, by *node) {
	if have := e.index - j.base; have <= uint64(len(j.log)) {
		if j.log[have-1] != e {
			j.object("node %d committed another entry %d", by.m.id, e.index)
		}
		return
	}
	if e.index != j.base+uint64(len(j.log))+1 {
		j.object("node %d committed entry %d after %d", by.m.id, e.index, j.base+uint64(len(j.log)))
		return
	}
	j.w.Stats.Entries++
	if e.group != nil {
		j.grouped(e)
	}
	j.log = append(j.log, e)
	before := j.state
	if e.restore != nil {
		e.from, e.to = before, e.restore
		e.result = state.Result{Revision: e.restore.Revision()}
	} else if e.from != before {
		e.from = before
		e.to, e.result = e.step(before)
	}
	j.state = e.to
	if r := e.result.Revision; e.result.Err == nil && r > j.state.Revision() {
		j.object("entry %d: result of revision %d, the state has %d", e.index, r, j.state.Revision())
	}
	if e.to.Revision() <= before.Revision() {
		j.object("entry %d: revision %d after %d", e.index, e.to.Revision(), before.Revision())
	}
	if e.restore != nil {
		j.restored(e.index, e.restore)
		return
	}
	j.changed(e)
	j.note(e)
	j.terms.committed(e, by)
}

// changed judges what an entry did to edges: a generation is granted once, to one ring with one holder of each role; generations
// only rise, whatever was deleted, restored or recovered in between; an operation has its effect once.
func (j *judge) changed(e *entry) {
	r := &e.result
	if r.Err != nil {
		return
	}
	fresh := r.Revision == j.state.Revision() // else it is the answer of an earlier entry
	switch c := e.command.(type) {
	case state.ChangeEdges:
		j.changedEdges(e, c, fresh)
	case state.ChangeSpare:
		j.changedSpare(e, c, fresh)
	case state.GrantLease:
		for _, l := range r.Leases {
			if l.Kind == lease.KindBlock {
				j.region(l)
			}
		}
	}
	j.drained(e)
	for _, c := range r.Changes {
		if c.Kind == api.RecordEdge {
			j.rings(e, c.Key)
			record, _ := j.state.Edge(c.Key)
			j.edge(c.Key).version(e.index, record.Revision, record.Generation)
		}
	}
}

func (j *judge) changedEdges(e *entry, c state.ChangeEdges, fresh bool) {
	was, before := j.ops[c.Op]
	switch {
	case c.Op == "":
	case fresh && j.refused[c.Op]:
		j.object("operation %s was applied at revision %d, after it was said to be refused", c.Op, e.result.Revision)
	case fresh && before && (was.level >= 2 || !j.buried(c)):
		j.object("operation %s was applied at revision %d, and again at %d", c.Op, was.revision, e.result.Revision)
	case !fresh && (!before || was.revision != e.result.Revision):
		j.object("operation %s is said to be of revision %d, applied was %+v", c.Op, e.result.Revision, was)
	case fresh:
		j.ops[c.Op] = opTruth{e.index, e.result.Revision, j.state.Level()}
		j.w.Stats.Changes++
	default:
		j.w.Stats.Repeats++
	}
	if !fresh {
		return
	}
	for _, record := range e.result.Edges {
		j.granted(record)
	}
}

// buried reports whether an edge of a change was deleted since the change was applied. What was applied at level 1 is forgotten
// with a deleted edge, and a late copy brings it back.
func (j *judge) buried(c state.ChangeEdges) bool {
	for _, ec := range c.Edges {
		for _, v := range j.edge(ec.Name).versions {
			if v.revision == 0 && v.index > j.ops[c.Op].index {
				return true
			}
		}
	}
	return false
}

func (j *judge) granted(r state.Record) {
	t := j.edge(r.Name)
	if r.Generation <= t.top {
		j.object("edge %s: generation %d granted to ring %s, %d was granted before (then: %+v)",
			r.Name, r.Generation, r.Lease, t.top, t.grants[r.Generation])
		return
	}
	t.top = r.Generation
	t.grants[r.Generation] = grant{r.Lease.Arena(), r.Node, sessions(r), epochs(r)}
	for i, side := range []api.Side{r.Producer, r.Consumer} {
		if side.Free() {
			continue
		}
		if had, ok := t.roles[i][side.Epoch]; ok && had != side.Session {
			j.object("edge %s: epoch %d of role %d is %s's, and was %s's", r.Name, side.Epoch, i, side.Session, had)
		}
		t.roles[i][side.Epoch] = side.Session
	}
}

func (j *judge) edge(name string) *edgeTruth {
	t := j.edges[name]
	if t == nil {
		t = &edgeTruth{grants: map[fence.Epoch]grant{}, gone: map[fence.Epoch]bool{}}
		for i := range t.roles {
			t.roles[i] = map[fence.Epoch]lease.SessionID{}
		}
		j.edges[name] = t
	}
	return t
}

func (t *edgeTruth) version(index uint64, revision api.Revision, generation fence.Epoch) {
	if len(t.versions) >= 2*versionsMax {
		t.versions = append(t.versions[:0], t.versions[versionsMax:]...)
		t.since = t.versions[0].index
	}
	t.versions = append(t.versions, version{index, revision, generation})
}

// at returns the version at an index; false: forgotten.
func (t *edgeTruth) at(index uint64) (version, bool) {
	for i := len(t.versions) - 1; i >= 0; i-- {
		if t.versions[i].index <= index {
			return t.versions[i], true
		}
	}
	return version{}, t.since == 0
}

// region judges the epochs of block regions: one holder each, and each successor's is above all before.
func (j *judge) region(l state.Lease) {
	was := j.regions[l.Name]
	if l.Epoch < was.epoch || l.Epoch == was.epoch && l.Session != was.session {
		j.object("block region %s: epoch %d of %s after %d of %s", l.Name, l.Epoch, l.Session, was.epoch, was.session)
	}
	j.regions[l.Name] = holder{l.Epoch, l.Session}
}

type holder struct {
	epoch   fence.Epoch
	session lease.SessionID
}

// applied judges that a node does with an entry what all do, to the same state.
func (j *judge) applied(n *node, e *entry, before *state.State, got state.Result) {
	if e.index-j.base > uint64(len(j.log)) || j.log[e.index-j.base-1] != e {
		j.object("node %d applied entry %d, which is not committed", n.m.id, e.index)
		return
	}
	if n.state == e.to {
		return
	}
	want := e.result
	if got.Revision != want.Revision || (got.Err == nil) != (want.Err == nil) || len(got.Edges) != len(want.Edges) ||
		len(got.Ended) != len(want.Ended) || len(got.Leases) != len(want.Leases) {
		j.object("node %d made %+v of entry %d, others %+v", n.m.id, got, e.index, want)
	}
	if n.w.chance(20) && j.same(n.state, e) {
		n.state = e.to // the same bytes: from here on what one computes is known for the other
	}
}

// same judges that two states that went different ways, one over a snapshot, are the same.
func (j *judge) same(s *state.State, e *entry) bool {
	var a, b bytes.Buffer
	if err := errors.Join(s.Write(&a), e.to.Write(&b)); err != nil {
		j.object("entry %d: %w", e.index, err)
		return false
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		j.object("after entry %d two nodes' states differ: %d and %d bytes", e.index, a.Len(), b.Len())
		return false
	}
	return true
}
