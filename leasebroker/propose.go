package leasebroker

import "github.com/grafnode/grafnode/lease"

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

func (k *Keeper) tickExpire(at lease.Instant, out *Effects) {
	var over []Seen
	for key, e := range k.entries {
		switch {
		// An allowance under way moves the sequence: the expiry would be refused. It is looked at again after that.
		case e.allowing:
		// Already expiring, and no proposal under way: the outcome of an earlier one is unknown. Doing it again is harmless.
		case e.expiring || e.deadline <= at:
			over = append(over, Seen{key, e.seq})
		default:
			k.wakeBy(e.deadline)
		}
	}
	if len(over) == 0 || !k.takeOff(&k.expire, at) {
		return
	}
	p := k.launch(&k.expire, over, at)
	for _, s := range p.Seen {
		k.entries[s.Key].expiring = true
	}
	out.Expire = p
}

// tickAllowance proposes an allowance when one is due, and takes along all else that has been renewed, so that leases of
// different phase end up in one entry.
func (k *Keeper) tickAllowance(at lease.Instant, out *Effects) {
	var renewed []Seen
	due := false
	for key, e := range k.entries {
		if e.due == 0 || e.expiring || e.allowing {
			continue
		}
		renewed = append(renewed, Seen{key, e.seq})
		if e.due <= at {
			due = true
		} else {
			k.wakeBy(e.due)
		}
	}
	if !due || !k.takeOff(&k.allowance, at) {
		return
	}
	p := k.launch(&k.allowance, renewed, at)
	for _, s := range p.Seen {
		e := k.entries[s.Key]
		e.due, e.allowing = 0, true
	}
	if k.unsure != 0 {
		k.allowance.at = min(k.allowance.at, k.unsure)
	}
	out.Allowance = p
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
	if len(seen) > proposalMax {
		seen = seen[:proposalMax] // the rest when this one has ended
	}
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
				e.due = at
			}
		}
	}
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
			k.expire.retryAt = at.Add(retryAfter) // refused by the log: not again at once
		}
	}
	k.tick(at, &out)
	return out
}
