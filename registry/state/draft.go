package state

import (
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/lease"
)

// draft is the next state in the making. Every change goes through its methods, which keep the indexes true. A refused
// command's draft is dropped, which is what makes commands all or nothing.
type draft struct {
	*State
	edit  *edit
	now   api.Revision      // of the command
	moves []move            // in the order in which they were made, perhaps several of a record
	names map[string]string // while a snapshot is read: the words that were in it
}

func (s *State) draft(now api.Revision) draft {
	next := *s
	return draft{State: &next, edit: new(edit), now: now}
}

// Step returns the state after e, and what became of it. It is a pure function: s stays as it is. A refusal changes only
// the revision.
func (s *State) Step(e Entry) (*State, Result) {
	d := s.draft(0)
	result, err := d.apply(e)
	if err != nil {
		*d.State = *s
	}
	d.close(e, &result, err)
	return d.State, result
}

// apply carries e out. After an error the draft is of no use any more.
func (d *draft) apply(e Entry) (Result, error) {
	d.now, d.moves = d.base+api.Revision(e.Index), d.moves[:0]
	if err := d.Admits(e.Command); err != nil {
		return Result{}, err
	}
	return e.Command.apply(d, e)
}

// close makes the draft the state after e, and completes the result. After an error it must be as it was before.
func (d *draft) close(e Entry, result *Result, err error) {
	if err != nil {
		*result, d.moves = Result{Err: err}, d.moves[:0]
	}
	d.moves = merged(d.moves)
	result.Changes = changes(d.moves)
	d.revision, d.term = d.now, e.Term
	if result.Revision == 0 {
		result.Revision = d.now
	}
	result.Term = e.Term
}

func (d *draft) putNode(n Node) {
	was, had := d.nodes.get(text(n.ID))
	d.moved(api.RecordNode, string(n.ID), there(was, had), &n)
	d.nodes.put(d.edit, text(n.ID), &n)
}

func (d *draft) putSession(s Session) {
	was, had := d.sessions.get(text(s.ID))
	d.moved(api.RecordSession, string(s.ID), there(was, had), &s)
	d.loadSession(&s)
}

func (d *draft) loadSession(s *Session) {
	d.sessions.put(d.edit, text(s.ID), s)
	d.onNode(string(s.Node), func(c *carried) { c.sessions.put(d.edit, text(s.ID), none{}) })
}

// endSession removes a session, frees its roles and releases what it holds. Block regions outlive it: they wait for a
// successor until their own end.
func (d *draft) endSession(s Session, status lease.Status, e Entry) []Ended {
	ends := []Ended{d.remember(string(s.ID), status)}
	for _, r := range slices.Collect(d.EdgesOf(s.ID)) {
		d.freeRoles(r, s.ID, e)
	}
	for _, l := range slices.Collect(resolve(d.heldBy(string(s.ID)).leases, d.leases)) {
		if l.Kind == lease.KindBlock {
			next := l
			next.Session = ""
			d.replaceLease(l, next)
			continue
		}
		ends = append(ends, d.endLease(l, lease.Released))
	}
	d.moved(api.RecordSession, string(s.ID), &s, nil)
	d.sessions.remove(d.edit, text(s.ID))
	d.onNode(string(s.Node), func(c *carried) { c.sessions.remove(d.edit, text(s.ID)) })
	return ends
}

func (d *draft) freeRoles(was Record, id lease.SessionID, e Entry) {
	r := was
	for _, side := range []*api.Side{&r.Producer, &r.Consumer} {
		if side.Session == id {
			side.Session, side.Node = "", ""
		}
	}
	d.putRecord(&was, d.noted(r, e, api.ReasonGone, id, ""))
}

// remember notes the end of a lease or session, and forgets the oldest if there are too many.
func (d *draft) remember(id string, status lease.Status) Ended {
	d.endings++
	last := d.ended.put(d.edit, Ended{ID: id, Status: status, Seq: d.endings})
	d.by.ends = d.by.ends.push(last)
	for d.ended.size() > EndedMax {
		var oldest *ended
		oldest, d.by.ends = d.by.ends.pop()
		if e := d.ended.get(oldest.ID); e != nil && e.Seq == oldest.Seq {
			d.ended.remove(d.edit, oldest.ID)
		}
	}
	return last.Ended
}

// addLease grants l. The caller has checked that its ID is new and that there is room.
func (d *draft) addLease(l Lease) {
	d.moved(api.RecordLease, string(l.ID), nil, &l)
	d.loadLease(&l)
}

func (d *draft) loadLease(l *Lease) {
	id := text(l.ID)
	d.leases.put(d.edit, id, l)
	d.onNode(string(l.Node), func(c *carried) {
		c.leases.put(d.edit, id, none{})
		c.bytes += l.memory()
		c.rings += l.rings()
	})
	if l.Session != "" {
		d.inSession(string(l.Session), func(h *held) { h.leases.put(d.edit, id, none{}) })
	}
	if l.Name != "" {
		d.by.region.put(d.edit, text(l.Name), l.ID)
	}
}

func (d *draft) removeLease(l Lease) {
	d.moved(api.RecordLease, string(l.ID), &l, nil)
	id := text(l.ID)
	d.leases.remove(d.edit, id)
	d.onNode(string(l.Node), func(c *carried) {
		c.leases.remove(d.edit, id)
		c.bytes -= l.memory()
		c.rings -= l.rings()
	})
	if l.Session != "" {
		d.inSession(string(l.Session), func(h *held) { h.leases.remove(d.edit, id) })
	}
	if l.Name != "" {
		d.by.region.remove(d.edit, text(l.Name))
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
	switch was, ok := d.Edge(l.Edge); {
	case ok && was.Lease == l.ID:
		d.putRecord(&was, d.noted(was, e, reason, "", detail))
	case ok:
		d.putRecord(&was, d.noted(was.spareless(), e, api.ReasonSpareLost, "", detail))
	}
	return d.endLease(l, status)
}

// noted returns r with a new revision and one more entry of history. A long detail, often an error's text, is cut rather than
// refused.
func (d *draft) noted(r Record, e Entry, reason api.Reason, actor lease.SessionID, detail string) Record {
	r.Revision, r.Changed, r.Reason = d.now, e.Proposed, reason
	detail = strings.ToValidUTF8(detail[:min(len(detail), detailMax)], "")
	past := Past{
		Revision: d.now, Generation: r.Generation, Node: r.Node, Reason: reason, Actor: actor, Detail: detail, At: e.Proposed,
	}
	if r.armed() {
		past.Spare = r.Spare.Generation
	}
	r.past = r.past.push(past)
	if r.past.size() > HistoryMax {
		_, r.past = r.past.pop()
	}
	return r
}

// putRecord stores r in place of was, nil if the edge is new.
func (d *draft) putRecord(was *Record, r Record) {
	d.moved(api.RecordEdge, r.Name, there(was, was != nil), &r)
	if was != nil {
		d.unlinkRoles(*was, r)
	} else {
		d.tombstones.remove(d.edit, text(r.Name))
	}
	d.link(&r)
}

func (d *draft) loadRecord(r Record) { d.link(&r) }

// link stores r and notes who has its roles.
func (d *draft) link(r *Record) {
	d.edges.put(d.edit, text(r.Name), r)
	for _, side := range []api.Side{r.Producer, r.Consumer} {
		if !side.Free() && !d.heldBy(string(side.Session)).edges.has(text(r.Name)) {
			d.inSession(string(side.Session), func(h *held) { h.edges.put(d.edit, text(r.Name), none{}) })
		}
	}
}

// unlinkRoles takes the roles that r has no more out of the index.
func (d *draft) unlinkRoles(was, r Record) {
	for _, side := range []api.Side{was.Producer, was.Consumer} {
		if !side.Free() && side.Session != r.Producer.Session && side.Session != r.Consumer.Session {
			d.inSession(string(side.Session), func(h *held) { h.edges.remove(d.edit, text(r.Name)) })
		}
	}
}

// bury replaces a record by its tombstone.
func (d *draft) bury(r Record, op string, e Entry) {
	d.moved(api.RecordEdge, r.Name, &r, nil)
	d.unlinkRoles(r, Record{Name: r.Name})
	d.edges.remove(d.edit, text(r.Name))
	if d.tombstones.size() >= TombstonesMax {
		d.forgetTombstones()
	}
	if planted.LostTombstone {
		return
	}
	d.putTombstone(Tombstone{Name: r.Name, Top: r.top(), Revision: d.now, Deleted: e.Proposed, Op: op, Made: r.Made})
}

func (d *draft) putTombstone(t Tombstone) {
	d.tombstones.put(d.edit, text(t.Name), &t)
}

func (d *draft) forgetTombstones() {
	for t := range under(d.tombstones, "") {
		d.floor = max(d.floor, t.Top)
		if d.Level() == 1 {
			d.forgotten = max(d.forgotten, t.Revision)
		}
	}
	d.tombstones = tree[text, *Tombstone]{}
}

// nextGeneration returns the generation after every one that was ever granted on the edge.
func (d *draft) nextGeneration(edge string) fence.Epoch {
	top := d.floor
	if planted.ReusedGeneration {
		top = 0
	}
	if r, ok := d.Edge(edge); ok {
		top = max(top, r.top())
	}
	if t, ok := d.tombstones.get(text(edge)); ok {
		top = max(top, t.Top)
	}
	return top.Next()
}
