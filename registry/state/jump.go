package state

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// By how much revisions and generations rise. A recovery's survivor may have missed the end of the log, and in it restores as
// well: up to 255 of them, and 2^32 entries after each.
const (
	restoreJump  = 1 << 32
	recoveryJump = 1 << 40
)

// jumpLevel is the lowest level at which revisions and generations can jump.
const jumpLevel = 2

// numberMax is above all revisions and generations that there can be. It leaves room for two million recoveries after the last.
const numberMax = 1 << 62

// Recovered returns the state with which a member goes on alone that has lost the majority, and with it perhaps the end of the
// log. All that the lost members may have granted lies below its revisions and generations, and it has another cluster ID, so
// that they can never be taken for members: "id" becomes "id.2", that "id.3".
//
// Every edge gets a generation of its own without a ring. The sessions keep their roles and the next change brings the ring.
func (s *State) Recovered() *State {
	d := s.draft(0)
	d.cluster = successor(s.cluster)
	d.leap(s.base+recoveryJump, s.top()+recoveryJump)
	for r := range s.Edges("") {
		d.dropRings(r)
		d.loadRecord(d.leapt(r))
	}
	return d.State
}

// RestoredOver returns s, read from a snapshot, as it replaces current on a running cluster. Its revisions and generations lie
// above those of both; no generation is seen again.
//
// What has been decided comes from s: which edges exist, and the values of checkpoints. What is there comes from current: the
// cluster's ID, nodes, tokens, sessions, leases outside edges, and who has which role of an edge that is in both. Every edge gets a
// generation of its own without a ring, as in Recovered. Terms are counted anew. Checkpoints keep the higher epoch of both, so that nobody who was fenced
// writes again; one that s does not have keeps nothing else.
func (s *State) RestoredOver(current *State) *State {
	d := current.draft(0)
	d.level = max(s.Level(), current.Level())
	d.leap(max(s.revision, current.revision)+restoreJump, max(s.top(), current.top())+restoreJump)
	for was := range current.Edges("") {
		d.dropRings(was)
		d.unlinkRoles(was, Record{Name: was.Name})
	}
	d.edges = tree[text, *Record]{}
	for r := range s.Edges("") {
		is, _ := current.Edge(r.Name)
		r.Producer, r.Consumer = sideNow(r.Producer, is.Producer), sideNow(r.Consumer, is.Consumer)
		d.loadRecord(d.leapt(r))
	}
	d.restoreTombstones(s, current)
	d.restoreCheckpoints(s)
	d.restoreTerms()
	return d.State
}

// MayRestoreOver reports why s, read from a snapshot, must not replace current on a running cluster: it is of no cluster or, unless force is
// set, of another (api.ErrConflict), or some member does not know the level that would come of it (api.ErrUnavailable).
func (s *State) MayRestoreOver(current *State, force bool) error {
	switch {
	case s.Cluster() == "":
		return fmt.Errorf("the snapshot is of no cluster: %w", api.ErrInvalid)
	case Family(s.Cluster()) != Family(current.Cluster()) && !force:
		return fmt.Errorf("the snapshot is of cluster %s, this is %s; use force if it is meant to replace it: %w",
			s.Cluster(), current.Cluster(), api.ErrConflict)
	case max(s.Level(), jumpLevel) > current.Level():
		return fmt.Errorf("the snapshot is of level %d, the cluster at %d: finish its upgrade to %d first: %w",
			s.Level(), current.Level(), max(s.Level(), jumpLevel), api.ErrUnavailable)
	}
	return nil
}

// sideNow returns a side that was restored, held by who has it now, if anybody does. If s knows of a later takeover, which a restore has
// undone since, nobody has it: an epoch is one session's, and that takeover's session may know that it was given this one.
func sideNow(was, is api.Side) api.Side {
	switch {
	case was.Epoch > is.Epoch:
		was.Session, was.Node = "", ""
		return was
	case is.Free():
		was.Session, was.Node, was.Epoch = "", "", is.Epoch
		return was
	default:
		return is
	}
}

// leap moves revisions to base and generations above floor. It makes a state of a level that knows of that.
func (d *draft) leap(base api.Revision, floor fence.Epoch) {
	index := d.Index()
	d.level, d.forgotten = max(d.Level(), jumpLevel), 0
	d.base, d.floor = base, floor
	d.revision = base + api.Revision(index)
	d.now = d.revision
}

// leapt returns an edge's record after a leap: without a ring, at a generation that no ring has.
func (d *draft) leapt(r Record) Record {
	r.Generation = max(r.Generation, d.floor).Next()
	r.Lease, r.Node, r.Op, r.Spare = "", "", Op{}, nil
	return d.noted(r, Entry{Proposed: r.Changed}, api.ReasonRestored, "", "")
}

// dropRings ends the leases of an edge's ring and spare, as far as they are active.
func (d *draft) dropRings(r Record) {
	for _, id := range []lease.ID{r.Lease, r.spare().Lease} {
		if l, ok := d.Lease(id); ok && l.Edge != "" {
			d.endLease(l, lease.Revoked)
		}
	}
}

// restoreTombstones leaves one for each edge that s or current have deleted, and for those that the restore does away with.
func (d *draft) restoreTombstones(s, current *State) {
	d.tombstones = s.tombstones
	bury := func(t Tombstone) {
		if was, ok := d.tombstones.get(text(t.Name)); ok {
			t.Top = max(t.Top, was.Top)
		}
		if !d.edges.has(text(t.Name)) {
			d.tombstones.put(d.edit, text(t.Name), &t)
		}
	}
	for t := range under(current.tombstones, "") {
		bury(*t)
	}
	for r := range current.Edges("") {
		bury(Tombstone{Name: r.Name, Top: r.top(), Revision: d.now, Deleted: r.Changed, Made: r.Made})
	}
	if d.tombstones.size() > TombstonesMax {
		d.forgetTombstones()
	}
}

func (d *draft) restoreCheckpoints(s *State) {
	for _, c := range slices.Collect(copies(under(d.checkpoints, ""))) {
		if !s.checkpoints.has(text(c.Key)) {
			d.checkpoints.put(d.edit, text(c.Key), &Checkpoint{Key: c.Key, Epoch: c.Epoch, Revision: d.now})
		}
	}
	for c := range copies(under(s.checkpoints, "")) {
		is, _ := d.Checkpoint(c.Key)
		c.Epoch, c.Revision = max(c.Epoch, is.Epoch), d.now
		d.checkpoints.put(d.edit, text(c.Key), &c)
	}
}

// restoreTerms moves the counters of allowances to where none has been. Allowances and expiries that were proposed for the state before,
// by entries that the restore has undone or behind it in the log, mean nothing any more, and the leader counts all terms anew.
func (d *draft) restoreTerms() {
	for l := range d.Leases() {
		l.Seq += restoreJump
		d.leases.put(d.edit, text(l.ID), &l)
	}
	for s := range d.Sessions() {
		s.Seq += restoreJump
		d.sessions.put(d.edit, text(s.ID), &s)
	}
}

// top returns the highest generation that s knows to have been granted.
func (s *State) top() fence.Epoch {
	top := s.floor
	for _, r := range s.edges.all() {
		top = max(top, r.top())
	}
	for _, t := range s.tombstones.all() {
		top = max(top, t.Top)
	}
	return top
}

// Family returns what a cluster's ID has in common before and after recoveries, each of which counts a suffix up.
func Family(cluster string) string {
	before, _, _ := strings.Cut(cluster, ".")
	return before
}

// successor returns the cluster ID that comes after id in its lineage.
func successor(id string) string {
	stem, number := id, 1
	if i := strings.LastIndexByte(id, '.'); i >= 0 {
		if n, err := strconv.Atoi(id[i+1:]); err == nil && n > 1 {
			stem, number = id[:i], n
		}
	}
	suffix := "." + strconv.Itoa(number+1)
	return stem[:min(len(stem), idMax-len(suffix))] + suffix
}
