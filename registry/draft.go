package registry

import (
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// draft is the next state in the making. Every change goes through its methods, which keep the indexes true. A refused
// command's draft is dropped, which is what makes commands all or nothing.
type draft struct {
	State
	changes []Change // in the order in which they were made, perhaps repeated
}

// Step returns the state after e, and what became of it. It is a pure function: s stays as it is. A refusal changes only
// the revision.
func (s *State) Step(e Entry) (*State, Result) {
	d := draft{State: *s}
	result, err := e.Command.apply(&d, e)
	if err != nil {
		d, result = draft{State: *s}, Result{Err: err}
	}
	result.Changes = distinct(d.changes)
	d.revision, d.term = api.Revision(e.Index), e.Term
	if result.Revision == 0 {
		result.Revision = d.revision
	}
	result.Term = e.Term
	return &d.State, result
}

func (d *draft) putNode(n Node) {
	d.changed(api.RecordNode, string(n.ID))
	d.nodes.put(string(n.ID), n)
}

func (d *draft) putSession(s Session) {
	d.changed(api.RecordSession, string(s.ID))
	d.sessions.put(string(s.ID), s)
	d.by.nodeMember.put(pair(string(s.Node), string(s.ID)), s.ID)
}

// endSession removes a session, frees its roles and releases what it holds. Block regions outlive it: they wait for a
// successor until their own end.
func (d *draft) endSession(s Session, status lease.Status, e Entry) []Ended {
	ends := []Ended{d.remember(string(s.ID), status)}
	for _, name := range d.by.role.under(pair(string(s.ID), "")) {
		d.freeRoles(name, s.ID, e)
	}
	for _, id := range d.by.holder.under(pair(string(s.ID), "")) {
		l, _ := d.Lease(id)
		if l.Kind == lease.KindBlock {
			next := l
			next.Session = ""
			d.replaceLease(l, next)
			continue
		}
		ends = append(ends, d.endLease(l, lease.Released))
	}
	d.changed(api.RecordSession, string(s.ID))
	d.sessions.remove(string(s.ID))
	d.by.nodeMember.remove(pair(string(s.Node), string(s.ID)))
	return ends
}

func (d *draft) freeRoles(edge string, id lease.SessionID, e Entry) {
	was, _ := d.Edge(edge)
	r := was
	for _, side := range []*api.Side{&r.Producer, &r.Consumer} {
		if side.Session == id {
			side.Session, side.Node = "", ""
		}
	}
	d.putRecord(&was, noted(r, e, api.ReasonGone, id, ""))
}

// remember notes the end of a lease or session, and forgets the oldest if there are too many.
func (d *draft) remember(id string, status lease.Status) Ended {
	d.endings++
	end := Ended{ID: id, Status: status, Seq: d.endings}
	d.ended.put(id, end)
	d.by.ending.put(ordinal(end.Seq), id)
	if d.ended.size() > EndedMax {
		for key, oldest := range d.by.ending.under("") {
			d.by.ending.remove(key)
			d.ended.remove(oldest)
			break
		}
	}
	return end
}

// addLease grants l. The caller has checked that its ID is new and that there is room.
func (d *draft) addLease(l Lease) {
	d.changed(api.RecordLease, string(l.ID))
	d.leases.put(string(l.ID), l)
	d.by.nodeLease.put(pair(string(l.Node), string(l.ID)), l.ID)
	if l.Session != "" {
		d.by.holder.put(pair(string(l.Session), string(l.ID)), l.ID)
	}
	if l.Name != "" {
		d.by.region.put(l.Name, l.ID)
	}
	if l.Kind == lease.KindMemory {
		d.by.leased.put(string(l.Node), d.Leased(l.Node)+l.Bytes)
	}
}

func (d *draft) removeLease(l Lease) {
	d.changed(api.RecordLease, string(l.ID))
	d.leases.remove(string(l.ID))
	d.by.nodeLease.remove(pair(string(l.Node), string(l.ID)))
	d.by.holder.remove(pair(string(l.Session), string(l.ID)))
	if l.Name != "" {
		d.by.region.remove(l.Name)
	}
	if l.Kind != lease.KindMemory {
		return
	}
	if left := d.Leased(l.Node) - l.Bytes; left > 0 {
		d.by.leased.put(string(l.Node), left)
	} else {
		d.by.leased.remove(string(l.Node))
	}
}

// replaceLease changes a lease that stays active.
func (d *draft) replaceLease(was, l Lease) {
	d.removeLease(was)
	d.addLease(l)
}

// endLease removes a lease and remembers how it ended.
func (d *draft) endLease(l Lease, status lease.Status) Ended {
	d.removeLease(l)
	return d.remember(string(l.ID), status)
}

// loseLease ends a lease against its holder's will. A record that points at it says so from now on.
func (d *draft) loseLease(l Lease, status lease.Status, reason api.Reason, detail string, e Entry) Ended {
	if was, ok := d.Edge(l.Edge); ok && was.Lease == l.ID {
		d.putRecord(&was, noted(was, e, reason, "", detail))
	}
	return d.endLease(l, status)
}

// noted returns r with a new revision and one more entry of history. Past is copied: other states share the old one. A long
// detail, often an error's text, is cut rather than refused.
func noted(r Record, e Entry, reason api.Reason, actor lease.SessionID, detail string) Record {
	r.Revision, r.Changed, r.Reason = api.Revision(e.Index), e.Proposed, reason
	kept := r.Past[max(0, len(r.Past)-HistoryMax+1):]
	detail = strings.ToValidUTF8(detail[:min(len(detail), detailMax)], "")
	r.Past = append(slices.Clip(kept), Past{
		Revision: r.Revision, Generation: r.Generation, Node: r.Node, Reason: reason, Actor: actor, Detail: detail, At: e.Proposed,
	})
	return r
}

// putRecord stores r in place of was, nil if the edge is new.
func (d *draft) putRecord(was *Record, r Record) {
	if was != nil {
		d.unindex(*was)
	} else if t, ok := d.tombstones.get(r.Name); ok {
		d.tombstones.remove(r.Name)
		d.by.change.remove(changeKey(t.Revision, t.Name))
	}
	d.changed(api.RecordEdge, r.Name)
	d.edges.put(r.Name, r)
	d.indexRecord(r)
}

func (d *draft) indexRecord(r Record) {
	d.by.change.put(changeKey(r.Revision, r.Name), r.Name)
	for _, side := range []api.Side{r.Producer, r.Consumer} {
		if !side.Free() {
			d.by.role.put(pair(string(side.Session), r.Name), r.Name)
		}
	}
}

func (d *draft) unindex(r Record) {
	d.by.change.remove(changeKey(r.Revision, r.Name))
	for _, side := range []api.Side{r.Producer, r.Consumer} {
		d.by.role.remove(pair(string(side.Session), r.Name))
	}
}

func changeKey(revision api.Revision, edge string) string { return ordinal(uint64(revision)) + edge }

// bury replaces a record by its tombstone.
func (d *draft) bury(r Record, e Entry) {
	d.changed(api.RecordEdge, r.Name)
	d.unindex(r)
	d.edges.remove(r.Name)
	if d.tombstones.size() >= TombstonesMax {
		d.forgetTombstones()
	}
	d.putTombstone(Tombstone{Name: r.Name, Top: r.Generation, Revision: api.Revision(e.Index), Deleted: e.Proposed})
}

func (d *draft) putTombstone(t Tombstone) {
	d.tombstones.put(t.Name, t)
	d.by.change.put(changeKey(t.Revision, t.Name), t.Name)
}

func (d *draft) forgetTombstones() {
	for _, t := range d.tombstones.under("") {
		d.floor = max(d.floor, t.Top)
		d.forgotten = max(d.forgotten, t.Revision)
		d.by.change.remove(changeKey(t.Revision, t.Name))
	}
	d.tombstones = newTree[Tombstone]()
}

// nextGeneration returns the generation after every one that was ever granted on the edge.
func (d *draft) nextGeneration(edge string) fence.Epoch {
	top := d.floor
	if r, ok := d.Edge(edge); ok {
		top = max(top, r.Generation)
	}
	if t, ok := d.tombstones.get(edge); ok {
		top = max(top, t.Top)
	}
	return top.Next()
}
