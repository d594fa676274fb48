package leasebroker

import (
	"slices"

	"github.com/grafnode/grafnode/lease"
)

// Tick does what has become due: proposes the expiry of what has run out, and allowances for what is being renewed.
func (k *Keeper) Tick(at lease.Instant) Effects {
	var out Effects
	k.tick(at, &out)
	return out
}

func (k *Keeper) tick(at lease.Instant, out *Effects) {
	if k.term == 0 || at < k.wake {
		return
	}
	k.wake = never
	k.tickExpire(at, out)
	k.tickAllowance(at, out)
}

// tickExpire proposes the end of what has run out. While such a proposal is under way nothing needs to be looked at: its end
// ticks by itself.
func (k *Keeper) tickExpire(at lease.Instant, out *Effects) {
	if k.ends.next() > at {
		k.wakeBy(k.ends.next())
		return
	}
	if !k.takeOff(&k.expire, at) {
		return
	}
	var over []Seen
	for len(over) < proposalMax {
		e := k.ends.take(at)
		if e == nil {
			break
		}
		if e.allowing { // it moves the sequence, and the expiry would be refused
			k.held = append(k.held, e)
			continue
		}
		// If it is expiring already, the outcome of an earlier proposal is unknown. Doing it again is harmless.
		e.expiring = true
		over = append(over, Seen{e.key, e.seq})
	}
	if len(over) > 0 {
		out.Expire = k.launch(&k.expire, over, at)
	} else {
		k.wakeBy(k.ends.next())
	}
}

// note puts e down for the next allowance, which is to be proposed by due.
func (k *Keeper) note(e *entry, due lease.Instant) {
	if e.due == 0 {
		k.renewed = append(k.renewed, e)
		e.due = due
	}
	e.due = min(e.due, due)
	k.allowBy = min(k.allowBy, due)
	k.wakeBy(k.allowBy)
}

// tickAllowance proposes an allowance when one is due, and takes along all else that has been renewed, so that leases of
// different phase end up in one entry. What finds no room goes with the next, at once.
func (k *Keeper) tickAllowance(at lease.Instant, out *Effects) {
	if k.allowBy > at {
		k.wakeBy(k.allowBy)
		return
	}
	if !k.takeOff(&k.allowance, at) {
		return
	}
	var renewed []Seen
	taken := 0
	for _, e := range k.renewed {
		if len(renewed) == proposalMax {
			break
		}
		taken++
		e.due = 0
		if e.gone || e.expiring {
			continue
		}
		e.allowing = true
		renewed = append(renewed, Seen{e.key, e.seq})
	}
	k.renewed = slices.Delete(k.renewed, 0, taken)
	if len(k.renewed) == 0 {
		k.allowBy = never
	}
	if len(renewed) == 0 {
		return
	}
	out.Allowance = k.launch(&k.allowance, renewed, at)
	if k.unsure != 0 {
		k.allowance.at = min(k.allowance.at, k.unsure)
	}
}

// takeOff reports whether a proposal may be made now, and sees to it that the keeper wakes when it may if not: the end of
// the one under way ticks by itself.
func (k *Keeper) takeOff(f *flight, at lease.Instant) bool {
	if f.number == 0 && at < f.retryAt {
		k.wakeBy(f.retryAt)
	}
	return f.number == 0 && at >= f.retryAt
}

func (k *Keeper) launch(f *flight, seen []Seen, at lease.Instant) *Proposal {
	sortSeen(seen)
	k.number++
	*f = flight{number: k.number, at: at, seen: seen}
	return &Proposal{Number: k.number, Term: k.term, Seen: seen}
}

// land ends a flight; false: it was of an earlier leadership.
func (k *Keeper) land(f *flight, number uint64, o Outcome, at lease.Instant) (flight, bool) {
	if number != f.number || number == 0 {
		return flight{}, false
	}
	ended := *f
	*f = flight{}
	if o != OutcomeApplied {
		f.retryAt = at.Add(retryAfter)
	}
	k.wakeBy(at)
	return ended, true
}

// AllowanceDone reports how the allowance proposal of that number ended.
func (k *Keeper) AllowanceDone(number uint64, o Outcome, at lease.Instant) Effects {
	var out Effects
	f, ok := k.land(&k.allowance, number, o, at)
	if !ok {
		return out
	}
	switch o {
	case OutcomeApplied:
		k.unsure = 0
	case OutcomeUnknown:
		k.unsure = f.at
	case OutcomeNotApplied:
	}
	for _, s := range f.seen {
		if e := k.entries[s.Key]; e != nil {
			e.allowing = false
			if o != OutcomeApplied {
				k.note(e, at)
			}
		}
	}
	for _, e := range k.held {
		k.ends.add(e)
	}
	k.held = nil
	k.tick(at, &out)
	parked := k.parked
	k.parked = nil
	for _, r := range parked {
		if o == OutcomeApplied {
			k.settle(r, &out)
		} else {
			k.answer(r, &out) // with the little there is; the holder asks again
		}
	}
	return out
}

// ExpireDone reports how the expiry proposal of that number ended. What it expired has been passed to Applied as ended by
// then; what is left may be renewed again, but not while an earlier proposal may still expire it.
func (k *Keeper) ExpireDone(number uint64, o Outcome, at lease.Instant) Effects {
	var out Effects
	f, ok := k.land(&k.expire, number, o, at)
	if !ok {
		return out
	}
	for _, s := range f.seen {
		if e := k.entries[s.Key]; e != nil {
			e.doubtful = o == OutcomeUnknown || o == OutcomeNotApplied && e.doubtful
			e.expiring = e.doubtful
			k.ends.add(e)
			k.expire.retryAt = at.Add(retryAfter) // refused by the log: not again at once
		}
	}
	k.tick(at, &out)
	return out
}
