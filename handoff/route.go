package handoff

import "github.com/grafnode/grafnode/fence"

// Role is a side of an edge.
type Role uint8

// The roles.
const (
	Producer Role = iota
	Consumer
)

// Record is what a side needs to know of an edge's record.
type Record struct {
	Revision           uint64      // of the news; higher is newer
	Generation         fence.Epoch // of the edge's ring
	Producer, Consumer fence.Epoch // epochs of the roles
	Held               bool        // both roles have a holder
	Deleted            bool
	Spare              Spare // zero: none is armed
}

// Spare is a second ring that is granted before it is needed, and the epochs of the roles that it was granted to (rule 13).
type Spare struct {
	Generation         fence.Epoch
	Producer, Consumer fence.Epoch
	Planned            bool // the producer is to move there as soon as both sides are there
}

// State is what a side knows of one ring.
type State uint8

// The states of a ring.
const (
	Empty     State = iota // there is none
	Attaching              // asked for
	Attached               // open; of the edge's ring: bound
	Ready                  // the other side has shown itself: a spare may be moved to, a producer's ring has its resume note
	Wanted                 // a spare that the consumer wants to move to (rule 17)
	Late                   // and has waited for long enough
	Lost                   // for this side, for ever
)

// Slot is one ring of a side.
type Slot struct {
	Generation fence.Epoch
	State      State
}

// open reports whether the slot holds an attachment, or is about to.
func (s Slot) open() bool { return s.State != Empty && s.State != Lost }

// unmet reports whether the other side is still to come.
func (s Slot) unmet() bool { return s.State == Attaching || s.State == Attached }

// Route decides what one side of an edge does about its rings: which one it uses, which one it keeps as the spare, when it moves,
// and what it asks of the registry (rules 4 and 13 to 17). It is plain data, and comparable: an event goes in, effects come out, and
// there is no clock but the event that somebody has waited for long enough. What is asked of the registry is asked one at a time.
//
// A side is flowing while its ring is open; its spare is known once the record names it, and attached a moment later. A producer whose
// ring is of a higher generation than the record's has moved and is not confirmed yet.
type Route struct {
	role   Role
	epoch  fence.Epoch
	arms   bool // this side arms spares
	rec    Record
	ring   Slot
	spare  Slot // above ring, granted to this side's own epoch
	moved  bool // the ring was the spare, and no resume note was read in it
	asked  Do   // of the registry, under way; zero: nothing
	reread bool // the record is read before anything else is asked
	ended  bool // the ring says that the edge has moved on, and no record says so yet: no reason to move to the spare
	paused bool // no spare is armed before ArmAgain
	over   bool // the role is lost
}

// NewRoute returns the Route of a role that was taken under epoch. A producer arms spares if it is told to.
func NewRoute(role Role, epoch fence.Epoch, arms bool) Route {
	return Route{role: role, epoch: epoch, arms: arms && role == Producer}
}

// Record returns the newest record that was seen.
func (r *Route) Record() Record { return r.rec }

// Ring returns the ring in use, or the one that will be.
func (r *Route) Ring() Slot { return r.ring }

// Spare returns the spare.
func (r *Route) Spare() Slot { return r.spare }

// Asked returns what is asked of the registry and not answered yet; zero: nothing.
func (r *Route) Asked() Do { return r.asked }

// Over reports whether the role is lost.
func (r *Route) Over() bool { return r.over }

// Ended reports whether the ring in use has said that the edge has moved on, and no record says so yet: it may be lost for another reason.
func (r *Route) Ended() bool { return r.ended }

// Unconfirmed reports whether this side uses a ring that the record does not name as the edge's yet.
func (r *Route) Unconfirmed() bool { return r.ring.Generation > r.rec.Generation }

// Settled reports whether nothing is missing in the ring, so that Overdue has no meaning there: the consumer has bound it, and the
// producer has read its resume note.
func (r *Route) Settled() bool {
	return r.ring.State == Ready || r.role == Consumer && r.ring.State == Attached
}

// Awaits reports whether Overdue has a meaning in a ring.
func (r *Route) Awaits(ring fence.Epoch) bool {
	switch ring {
	case r.ring.Generation:
		return !r.Settled()
	case r.spare.Generation:
		return r.spare.State == Wanted && r.role == Consumer || r.spare.unmet() && r.role == Producer
	}
	return false
}

// AppendKey appends an encoding of the whole state: equal states give equal bytes. See Sender.AppendKey.
func (r *Route) AppendKey(b []byte) []byte {
	b = appendNumbers(b, uint64(r.role), uint64(r.epoch), flag(r.arms), uint64(r.ring.Generation), uint64(r.ring.State),
		uint64(r.spare.Generation), uint64(r.spare.State), flag(r.moved), uint64(r.asked), flag(r.reread), flag(r.ended), flag(r.paused), flag(r.over))
	return r.rec.AppendKey(b)
}

// AppendKey is Route's for its record.
func (r Record) AppendKey(b []byte) []byte {
	return appendNumbers(b, r.Revision, uint64(r.Generation), uint64(r.Producer), uint64(r.Consumer), flag(r.Held), flag(r.Deleted),
		uint64(r.Spare.Generation), uint64(r.Spare.Producer), uint64(r.Spare.Consumer), flag(r.Spare.Planned))
}
