package position

import "slices"

// Table is a Vector that changes in place, for whoever raises a position with each item: it allocates only for lanes that it
// has not met. The zero Table knows no lane. It is not safe for concurrent use, and must not be copied but by Clone.
type Table struct {
	lanes []Position // ordered by lane
	last  int        // where the last look ended: items of a lane come in runs
}

// lanesRoom makes a table's memory large enough to have cache lines of its own: other tables belong to other goroutines.
const lanesRoom = 16

// TableOf returns a table that begins as v.
func TableOf(v Vector) Table { return Table{lanes: slices.Clone(v.lanes)} }

// At returns the position of lane, and whether there is one.
func (t *Table) At(lane Lane) (Position, bool) {
	if i := t.last; i < len(t.lanes) && t.lanes[i].Lane == lane {
		return t.lanes[i], true
	}
	return t.look(lane)
}

func (t *Table) look(lane Lane) (Position, bool) {
	if len(t.lanes) == 0 {
		return Position{}, false
	}
	i, ok := Vector{t.lanes}.find(lane)
	if !ok {
		return Position{}, false
	}
	t.last = i
	return t.lanes[i], true
}

// Covers reports whether p lies at or below its lane's position.
func (t *Table) Covers(p Position) bool {
	q, ok := t.At(p.Lane)
	return ok && !q.Before(p)
}

// Raise raises p's lane to p, and reports whether that changed anything: a lower p does not.
func (t *Table) Raise(p Position) bool {
	q, ok := t.At(p.Lane)
	switch {
	case !ok:
		if t.lanes == nil {
			t.lanes = make([]Position, 0, lanesRoom)
		}
		i, _ := Vector{t.lanes}.find(p.Lane)
		t.lanes = slices.Insert(t.lanes, i, p)
		t.last = i
	case q.Before(p):
		t.lanes[t.last] = p
	default:
		return false
	}
	return true
}

// Advance is Raise for a p whose lane is the one last looked at; for others, and for a lower p, it returns false and changes nothing.
func (t *Table) Advance(p Position) bool {
	if i := t.last; i < len(t.lanes) {
		if q := &t.lanes[i]; q.Lane == p.Lane && q.Before(p) {
			*q = p
			return true
		}
	}
	return false
}

// Len returns the number of lanes.
func (t *Table) Len() int { return len(t.lanes) }

// Vector returns the table as it is now.
func (t *Table) Vector() Vector { return Vector{slices.Clone(t.lanes)} }

// Clone returns an independent copy.
func (t *Table) Clone() Table { return Table{lanes: slices.Clone(t.lanes), last: t.last} }

// Append appends the encoding of Vector.
func (t *Table) Append(b []byte) []byte { return Vector{t.lanes}.Append(b) }
