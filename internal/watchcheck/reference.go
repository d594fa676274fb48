package watchcheck

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// Record names a record.
type Record struct {
	Kind api.RecordKind
	Key  string
}

func recordOf(e api.Event) Record {
	kind, key := e.Record()
	return Record{kind, key}
}

// version is what a record was from a revision on, until the next.
type version struct {
	revision api.Revision
	place    watchstream.Place // none: it did not exist
	digest   string
}

// Reference is what the registry did.
type Reference struct {
	head     api.Revision
	versions map[Record][]version // by revision
	order    []moment
}

// moment is one change.
type moment struct {
	revision api.Revision
	record   Record
}

// NewReference returns the reference of an empty registry at revision zero.
func NewReference() *Reference { return &Reference{versions: map[Record][]version{}} }

// Head returns the last revision that was added.
func (r *Reference) Head() api.Revision { return r.head }

// Add says what all the records are after a revision, as state events. Revisions must rise; one at which nothing happened may be
// left out.
func (r *Reference) Add(at api.Revision, state iter.Seq[api.Event]) {
	if at <= r.head {
		panic("watchcheck: revisions must rise")
	}
	r.head = at
	here := map[Record]bool{}
	for e := range state {
		record := recordOf(e)
		here[record] = true
		r.put(record, version{at, watchstream.PlaceOf(e), digest(e)})
	}
	for record := range r.versions {
		if !here[record] {
			r.put(record, version{revision: at})
		}
	}
	slices.SortStableFunc(r.order, func(a, b moment) int { return cmp.Compare(a.revision, b.revision) })
}

// Note is Add for a revision of which it is known what it changed: what some records are after it, as state events, and which are
// gone. All others are as they were.
func (r *Reference) Note(at api.Revision, is []api.Event, gone []Record) {
	if at <= r.head {
		panic("watchcheck: revisions must rise")
	}
	r.head = at
	for _, e := range is {
		r.put(recordOf(e), version{at, watchstream.PlaceOf(e), digest(e)})
	}
	for _, record := range gone {
		r.put(record, version{revision: at})
	}
}

// Forget drops what only streams can need that reach back below a revision.
func (r *Reference) Forget(below api.Revision) {
	for record, all := range r.versions {
		n := 0
		for n+1 < len(all) && all[n+1].revision < below {
			n++
		}
		if last := all[len(all)-1]; n == len(all)-1 && last.revision < below && last.digest == "" {
			delete(r.versions, record)
		} else if n > 0 {
			r.versions[record] = slices.Clone(all[n:])
		}
	}
	n, _ := slices.BinarySearchFunc(r.order, below, func(m moment, at api.Revision) int { return cmp.Compare(m.revision, at) })
	r.order = slices.Clone(r.order[n:])
}

// Len returns how many changes there were that are not forgotten.
func (r *Reference) Len() int { return len(r.order) }

// put adds a version, if it is another than the last.
func (r *Reference) put(record Record, v version) {
	all := r.versions[record]
	last := version{}
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	if last.place == v.place && last.digest == v.digest {
		return
	}
	r.versions[record] = append(all, v)
	r.order = append(r.order, moment{v.revision, record})
}

// at returns what a record was at a revision.
func (r *Reference) at(record Record, at api.Revision) version {
	all := r.versions[record]
	n, _ := slices.BinarySearchFunc(all, at+1, func(v version, at api.Revision) int { return cmp.Compare(v.revision, at) })
	if n == 0 {
		return version{}
	}
	return all[n-1]
}

// between yields the changes above one revision, up to another.
func (r *Reference) between(above, to api.Revision) []moment {
	find := func(at api.Revision) int {
		n, _ := slices.BinarySearchFunc(r.order, at+1, func(m moment, at api.Revision) int { return cmp.Compare(m.revision, at) })
		return n
	}
	return r.order[find(above):max(find(above), find(to))]
}

// concerns reports whether readers of f are to be told of a change.
func (r *Reference) concerns(f watchstream.Filter, m moment) bool {
	return f.Matches(r.at(m.record, m.revision).place) || f.Matches(r.at(m.record, m.revision-1).place)
}

// state returns what a reader of f has who knows everything up to a revision.
func (r *Reference) state(f watchstream.Filter, at api.Revision) map[Record]string {
	view := map[Record]string{}
	for record := range r.versions {
		if v := r.at(record, at); f.Matches(v.place) {
			view[record] = v.digest
		}
	}
	return view
}

// digest says what is in a record, except for times, which are for people, and addresses, which follow their node.
func digest(e api.Event) string {
	switch {
	case e.Edge != nil:
		d := e.Edge
		return fmt.Sprint(d.Revision, d.Generation, d.Locator.Node, d.Locator.Arena, d.Producer, d.Consumer, d.Codec, d.Capacity, d.Reason)
	case e.Node != nil:
		d := e.Node
		return fmt.Sprint(d.Name, d.Zone, d.Address, d.Incarnation, d.Memory, d.Version, d.Drain)
	case e.Lease != nil:
		d := e.Lease
		return fmt.Sprint(d.Kind, d.Node, d.Incarnation, d.Bytes, d.TTL, d.Edge, d.Session, d.Name, d.Generation)
	case e.Session != nil:
		d := e.Session
		return fmt.Sprint(d.Stage, d.Node, d.Incarnation, d.PID, d.TTL)
	default:
		return ""
	}
}
