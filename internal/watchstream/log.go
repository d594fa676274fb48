package watchstream

import (
	"slices"
	"sync/atomic"

	"github.com/grafnode/grafnode/api"
)

// Limits of a Log, by default.
const (
	ChangesMax = 1 << 16
	BytesMax   = 64 << 20
)

// Change is what one command did to one record.
type Change struct {
	event   api.Event  // shared by all readers; its encoding is made by the first
	left    *api.Event // what those are told whose filter the record leaves; nil unless was and is differ
	was, is Place
	weight  int
	// next is the following change of the same record: stored by Log.Append before the view that has it is published, loaded by
	// cursors, which ignore what is beyond their own view.
	next atomic.Pointer[Change]
}

// NewChange returns the change that e tells of. was is where the record was before, none if it was not there.
func NewChange(was Place, e api.Event) *Change {
	c := &Change{event: e.Shared(), was: was, is: PlaceOf(e), weight: weigh(e)}
	if c.was != c.is && c.was != (Place{}) && c.is != (Place{}) {
		left := e.Shared()
		left.Left = true
		c.left = &left
	}
	return c
}

// weigh estimates what a change costs in memory: the event, its encoding, and their texts twice.
func weigh(e api.Event) int {
	const fixed = 2 << 10
	_, key := e.Record()
	if e.Edge == nil {
		return fixed + 2*len(key)
	}
	return fixed + 2*(len(key)+len(e.Edge.Codec)+len(e.Edge.Producer.Stage)+len(e.Edge.Consumer.Stage))
}

// Revision returns the revision of the change.
func (c *Change) Revision() api.Revision { return c.event.Revision }

// Was and Is return where the record was before the change and where it is after it.
func (c *Change) Was() Place { return c.was }
func (c *Change) Is() Place  { return c.is }

// Concerns reports whether readers of f are told of the change.
func (c *Change) Concerns(f Filter) bool { return f.Matches(c.was) || f.Matches(c.is) }

// told returns what readers of f are told; the change must concern them.
func (c *Change) told(f Filter) api.Event {
	if c.is != (Place{}) && !f.Matches(c.is) {
		return *c.left
	}
	return c.event
}

// overtaken reports whether readers of f who are told everything up to goal are told of a later change of the same record.
func (c *Change) overtaken(f Filter, goal api.Revision) bool {
	for n := c.next.Load(); n != nil && n.Revision() <= goal; n = n.next.Load() {
		if n.Concerns(f) {
			return true
		}
	}
	return false
}

// Log is the last changes of the registry. One goroutine writes it; any number may read the views that it gives out.
type Log struct {
	changesMax, bytesMax int

	// changes are in the order of their revisions. Slots that a view may show are never written again: new changes go behind
	// them, and what is dropped is cut off the front of this slice only.
	changes     []*Change
	floor, head api.Revision
	bytes       int
	newest      map[record]*Change // of each record in changes
}

type record struct {
	kind api.RecordKind
	key  string
}

func recordOf(e api.Event) record {
	kind, key := e.Record()
	return record{kind, key}
}

// NewLog returns an empty log that keeps at most so many changes and, by an estimate, so many bytes. While it is being
// copied to make room, a fourth more.
func NewLog(changesMax, bytesMax int) *Log {
	return &Log{changesMax: changesMax, bytesMax: bytesMax, newest: map[record]*Change{}}
}

// View is what a Log has: every change above Floor, up to Head. It never changes.
type View struct {
	State       State // at Head; set by the log's owner
	Floor, Head api.Revision
	changes     []*Change
}

// View returns what the log has now.
func (l *Log) View(s State) View {
	return View{State: s, Floor: l.floor, Head: l.head, changes: l.changes}
}

// After returns the changes above a revision, which must not be below the floor. The slice is the view's.
func (v View) After(r api.Revision) []*Change {
	i, _ := slices.BinarySearchFunc(v.changes, r+1, func(c *Change, r api.Revision) int {
		if c.Revision() < r {
			return -1
		}
		return 1
	})
	return v.changes[i:]
}

// Len returns how many changes the view has.
func (v View) Len() int { return len(v.changes) }

// Append adds the changes of a revision, perhaps none. Revisions must rise.
func (l *Log) Append(at api.Revision, changes ...*Change) {
	if at <= l.head {
		panic("watchstream: a revision is appended twice") // broken invariant: the log is written by Raft's apply goroutine alone
	}
	l.head = at
	for _, c := range changes {
		r := recordOf(c.event)
		if before := l.newest[r]; before != nil {
			before.next.Store(c)
		}
		l.newest[r] = c
		l.bytes += c.weight
		l.push(c)
	}
	for len(l.changes) > l.changesMax || l.bytes > l.bytesMax {
		l.drop()
	}
}

// push is append, but grows the array by a fourth, since what was dropped is held until the array is copied.
func (l *Log) push(c *Change) {
	if n := len(l.changes); n == cap(l.changes) {
		grown := make([]*Change, n, n+n/4+64)
		copy(grown, l.changes)
		l.changes = grown
	}
	l.changes = append(l.changes, c)
}

// drop forgets the oldest revision, all of it.
func (l *Log) drop() {
	l.floor = l.changes[0].Revision()
	for len(l.changes) > 0 && l.changes[0].Revision() == l.floor {
		c := l.changes[0]
		l.changes = l.changes[1:]
		l.bytes -= c.weight
		if c.next.Load() == nil { // none of the same record has come since
			delete(l.newest, recordOf(c.event))
		}
	}
}

// Reset forgets everything: the state was replaced by the one at a revision, and nobody knows what lies between.
func (l *Log) Reset(at api.Revision) {
	*l = *NewLog(l.changesMax, l.bytesMax)
	l.floor, l.head = at, at
}
