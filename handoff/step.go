package handoff

import (
	"slices"

	"github.com/grafnode/grafnode/fence"
)

// Step takes an event and returns what is to be done.
func (r *Route) Step(e Event) []Effect {
	if r.over {
		return nil
	}
	var do []Effect
	switch e.What {
	case News:
		r.see(e.Record)
	case Applied, Refused, Unknown, NoRoom:
		do = r.answered(e)
	case ArmAgain:
		r.paused = false
	default:
		do = r.heard(e)
	}
	return r.settle(do)
}

// see keeps the newest record.
func (r *Route) see(rec Record) {
	if rec.Revision > r.rec.Revision {
		r.rec = rec
	}
}

// answered takes the outcome of what was asked. What is not known to be applied counts as not applied: the record tells, and an arm
// that is unknown arms nothing (rule 13).
func (r *Route) answered(e Event) (do []Effect) {
	asked := r.asked
	r.asked = 0
	switch {
	case e.What == Applied:
		r.reread, r.ended = false, false
		r.see(e.Record)
		if asked == ConfirmAndArm && e.Record.Spare == (Spare{}) { // there was no room for one
			return r.pause(do)
		}
	case e.What == NoRoom && asked == Arm:
		return r.pause(do)
	default:
		r.reread = true
	}
	return do
}

func (r *Route) pause(do []Effect) []Effect {
	if r.paused || !r.arms {
		return do
	}
	r.paused = true
	return append(do, Effect{Do: ArmLater})
}

// heard takes an event of one of the rings.
func (r *Route) heard(e Event) (do []Effect) {
	switch {
	case e.Ring.IsZero():
		return nil
	case e.Ring == r.ring.Generation:
		return r.heardRing(e.What)
	case e.Ring == r.spare.Generation:
		return r.heardSpare(e.What)
	}
	return nil // left already
}

func (r *Route) heardRing(what What) (do []Effect) {
	switch {
	case what == Opened && r.ring.State == Attaching:
		r.ring.State = Attached
		do = append(do, Effect{Do: Bind, Ring: r.ring.Generation})
	case (what == Broken || what == Ended) && r.ring.open():
		r.ended = what == Ended
		r.reread = r.reread || r.ended
		do = r.loseRing(do)
	case what == Met && r.ring.State == Attached:
		r.ring.State, r.moved = Ready, false
	case what == Overdue && r.moved: // rule 17
		do = r.loseRing(do)
	case what == Overdue && !r.Settled():
		r.reread, r.ended = true, false
	}
	return do
}

func (r *Route) loseRing(do []Effect) []Effect {
	r.ring.State, r.moved = Lost, false
	return append(do, Effect{Do: Leave, Ring: r.ring.Generation})
}

func (r *Route) heardSpare(what What) (do []Effect) {
	switch {
	case what == Opened && r.spare.State == Attaching:
		r.spare.State = Attached
		do = append(do, Effect{Do: Watch, Ring: r.spare.Generation})
	case (what == Broken || what == Ended) && r.spare.open(), what == Overdue && r.role == Producer && r.spare.unmet():
		r.spare.State = Lost
		do = r.pause(append(do, Effect{Do: Leave, Ring: r.spare.Generation}))
	case what == Met && r.spare.State == Attached && r.role == Producer:
		r.spare.State = Ready
	case what == MoveWanted && (r.spare.State == Attached || r.spare.State == Ready) && r.role == Producer:
		r.spare.State = Wanted
	case what == Activated && r.spare.open() && r.spare.State != Attaching && r.role == Consumer:
		r.spare.State = Ready
	case what == Overdue && r.spare.State == Wanted && r.role == Consumer:
		r.spare.State = Late
	}
	return do
}

// settle brings the side in line with what it knows.
func (r *Route) settle(do []Effect) []Effect {
	mine := r.rec.Producer
	if r.role == Consumer {
		mine = r.rec.Consumer
	}
	if r.rec.Deleted || r.epoch.StaleAgainst(mine) {
		r.over = true
		return append(do, Effect{Do: Quit})
	}
	do = r.keep(r.adopt(do))
	do = r.move(do)
	return r.ask(do)
}

// adopt goes to the record's ring if it is a higher one, never downwards (rule 16). A ring above the record's that is not its spare
// any more has ended with its lease.
func (r *Route) adopt(do []Effect) []Effect {
	to := r.rec.Generation
	switch {
	case to > r.ring.Generation && to == r.spare.Generation: // confirmed, and this side is the last to hear
		return r.useSpare(do, false)
	case to > r.ring.Generation:
		if r.ring.open() {
			do = append(do, Effect{Do: Leave, Ring: r.ring.Generation})
		}
		r.ring, r.moved = Slot{to, Attaching}, false
		return append(do, Effect{Do: Attach, Ring: to})
	case to < r.ring.Generation && r.rec.Spare.Generation != r.ring.Generation && r.ring.open():
		return r.loseRing(do)
	}
	return do
}

// useSpare makes the spare the ring. The consumer is told first: its answer is on its way while this side leaves its ring, which takes the
// longer the more is in flight.
func (r *Route) useSpare(do []Effect, activate bool) []Effect {
	if r.ring.open() {
		do = append(do, Effect{Do: Leave, Ring: r.ring.Generation})
	}
	r.ring, r.spare = r.spare, Slot{}
	if activate {
		do = slices.Insert(do, 0, Effect{Do: Activate, Ring: r.ring.Generation})
	}
	r.moved = activate
	if r.ring.State == Attaching || r.ring.State == Lost {
		return do
	}
	r.ring.State = Attached
	return append(do, Effect{Do: Bind, Ring: r.ring.Generation})
}

// keep has the record's spare attached, if it was granted to this side's own epoch and lies above its ring.
func (r *Route) keep(do []Effect) []Effect {
	var to fence.Epoch
	granted := r.rec.Spare.Producer
	if r.role == Consumer {
		granted = r.rec.Spare.Consumer
	}
	if r.rec.Spare.Generation > r.ring.Generation && granted == r.epoch {
		to = r.rec.Spare.Generation
	}
	if to == r.spare.Generation {
		return do
	}
	if r.spare.open() {
		do = append(do, Effect{Do: Leave, Ring: r.spare.Generation})
	}
	r.spare = Slot{}
	if to.IsZero() {
		return do
	}
	r.spare = Slot{to, Attaching}
	return append(do, Effect{Do: Attach, Ring: to})
}

// move goes to the spare: the producer if it has lost its ring, or the move is planned, and the consumer has been seen there, or if the
// consumer wants to, and it alone decides (rule 14); the consumer once the producer has (rule 16). A consumer that has lost its ring says so (rule 17).
func (r *Route) move(do []Effect) []Effect {
	switch {
	case r.role == Producer && (r.spare.State == Wanted || r.spare.State == Ready && (r.lost() || r.planned())):
		return r.keep(r.useSpare(do, true))
	case r.role == Consumer && r.spare.State == Ready:
		return r.keep(r.useSpare(do, false))
	case r.role == Consumer && r.spare.State == Attached && r.lost():
		r.spare.State = Wanted
		return append(do, Effect{Do: Want, Ring: r.spare.Generation})
	}
	return do
}

// planned reports whether the record says that the edge is to move to its spare, which is this side's.
func (r *Route) planned() bool {
	return r.rec.Spare.Planned && r.rec.Spare.Generation == r.spare.Generation
}

// lost reports whether the ring is, and not because the edge has moved on.
func (r *Route) lost() bool { return r.ring.State == Lost && !r.ended }

// ask has the registry do what is due, unless it is at something already.
func (r *Route) ask(do []Effect) []Effect {
	if r.asked != 0 {
		return do
	}
	e := Effect{Expect: r.rec.Revision}
	switch {
	case r.reread:
		e = Effect{Do: Read}
	case r.ring.State == Lost && r.spare.State == Wanted: // the producer moves, or is overdue
		return do
	case r.ring.State == Lost:
		e.Do = Change
	case r.role == Consumer:
		return do
	case r.Unconfirmed() && r.moved: // the switch has the machines to itself: the consumer's answer is on its way, or somebody is overdue
		return do
	case r.Unconfirmed():
		e = Effect{Do: Confirm, Ring: r.ring.Generation}
		if r.arms {
			e.Do = ConfirmAndArm
		}
	case r.arms && !r.paused && r.rec.Held && r.ring.State == Ready && !r.spare.open():
		e.Do = Arm
	default:
		return do
	}
	r.asked = e.Do
	return append(do, e)
}
