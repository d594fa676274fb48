package leasebroker

import (
	"container/heap"
	"math"
	"time"

	"github.com/grafnode/grafnode/lease"
)

const (
	// driftShare: a holder is told 1/driftShare less than the keeper counts, so that its deadline comes first even if
	// its clock runs slower than the leader's, by up to 0.4 %. Crystals and NTP stay below a tenth of that.
	driftShare = 256
	// proposalMax bounds a proposal, so that ten thousand ends at once do not make one giant log entry.
	proposalMax = 1024
	// retryAfter is how long after a failed proposal the next is made.
	retryAfter = 250 * time.Millisecond

	never = lease.Instant(math.MaxInt64)
)

// Ticket is the caller's name for a renewal that it wants answered.
type Ticket uint64

// Answer ends a renewal.
type Answer struct {
	Ticket  Ticket
	Refused bool                  // this node does not lead, or could not confirm that it does: ask again
	Granted map[Key]time.Duration // for how long, from when the holder asked; what is missing was not renewed
}

// Proposal is something that the keeper wants in the log. Its end is reported under its number.
type Proposal struct {
	Number uint64
	Term   uint64 // the Raft term that the entry must be appended in; in any other it does nothing
	Seen   []Seen // at least one, sorted
}

// Effects is what a step wants done. The zero Effects is nothing.
type Effects struct {
	Round     uint64    // not zero: begin a quorum round now, and report it under this number
	Allowance *Proposal // record an allowance for these
	Expire    *Proposal // expire these
	Answers   []Answer
}

// Outcome is how a proposal ended.
type Outcome uint8

// The outcomes. After Applied, the proposal's own entry has been passed to Keeper.Applied.
const (
	OutcomeApplied    Outcome = iota // it is in the log, whether or not it changed anything
	OutcomeNotApplied                // it is not in the log and never will be
	OutcomeUnknown                   // it may be in the log now, or soon
)

// Keeper is the lease time of one node. It reads no clock, starts nothing and is not safe for concurrent use. Instants that
// it is given are of one clock and never decrease from step to step.
type Keeper struct {
	entries map[Key]*entry

	term   uint64 // the Raft term that this node leads; zero: it does not
	number uint64 // of the last round or proposal
	wake   lease.Instant

	// While it leads, each entry is in exactly one of these, or in the expiry under way.
	ends agenda
	held []*entry // out of time, but an allowance that names them is under way

	renewed []*entry      // since their last allowance was proposed, oldest first
	allowBy lease.Instant // when the next allowance must be proposed; never: nothing was renewed

	round     uint64 // the running quorum round; zero: none
	riding    []renewal
	waiting   []renewal // came after the running round began, so they need the next
	parked    []renewal // confirmed; waiting for the allowance under way
	allowance flight
	expire    flight

	// unsure is when the oldest allowance was proposed whose outcome is not known; zero: none. Until a later one is known to be
	// applied, an allowance in the log may be that one, so all are counted from there.
	unsure lease.Instant
}

// renewal is a ticket on its way through the keeper.
type renewal struct {
	ticket Ticket
	keys   []Key
	asked  lease.Instant // when the request came, at or after the holder's own instant of asking
}

// flight is a proposal under way; there is at most one of each kind.
type flight struct {
	number  uint64 // zero: none
	at      lease.Instant
	seen    []Seen
	retryAt lease.Instant
}

// NewKeeper returns the keeper of a node that has applied nothing yet.
func NewKeeper() *Keeper {
	return &Keeper{entries: make(map[Key]*entry), wake: never, allowBy: never}
}

// Leading returns the Raft term that the keeper leads in; zero: it does not.
func (k *Keeper) Leading() uint64 { return k.term }

// Len returns how many leases and sessions the keeper knows.
func (k *Keeper) Len() int { return len(k.entries) }

// Next returns when Tick has something to do, if no other step comes first; false: never.
func (k *Keeper) Next() (lease.Instant, bool) { return k.wake, k.wake != never }

// BecameLeader starts the leader's work in a Raft term. It comes after the leader's barrier: all that earlier leaders
// committed is applied here and in s. What s has and the keeper has not seen applied came by a snapshot; it is counted from
// now, which is later and therefore safe.
func (k *Keeper) BecameLeader(term uint64, s Snapshot, at lease.Instant) Effects {
	var out Effects
	k.resign(&out)
	k.term, k.wake = term, at
	known := make(map[Key]bool, len(s.Terms))
	for _, t := range s.Terms {
		known[t.Key] = true
		if e := k.entries[t.Key]; e == nil || e.seq < t.Seq {
			k.entries[t.Key] = &entry{key: t.Key, ttl: t.TTL, seq: t.Seq, applied: at, index: s.Index}
		}
	}
	for key, e := range k.entries {
		if !known[key] && e.index <= s.Index {
			e.gone = true
			delete(k.entries, key)
			continue
		}
		e.lead()
		k.ends = append(k.ends, e)
	}
	heap.Init(&k.ends)
	k.tick(at, &out)
	return out
}

// LostLeadership ends the leader's work. Renewals that were not answered are refused.
func (k *Keeper) LostLeadership() Effects {
	var out Effects
	k.resign(&out)
	return out
}

func (k *Keeper) resign(out *Effects) {
	for _, list := range [][]renewal{k.riding, k.waiting, k.parked} {
		refuse(list, out)
	}
	k.term, k.wake, k.round, k.unsure = 0, never, 0, 0
	k.riding, k.waiting, k.parked = nil, nil, nil
	k.allowance, k.expire = flight{}, flight{}
	k.ends, k.held, k.renewed, k.allowBy = nil, nil, nil, never
}

func refuse(list []renewal, out *Effects) {
	for _, r := range list {
		out.Answers = append(out.Answers, Answer{Ticket: r.ticket, Refused: true})
	}
}

// Restored says that a snapshot has replaced the registry's state, perhaps by an older one: what was granted and allowed may never have
// been. Nothing is renewed or expired until BecameLeader comes with what there is now.
func (k *Keeper) Restored() Effects {
	var out Effects
	k.resign(&out)
	for _, e := range k.entries {
		e.gone = true
	}
	clear(k.entries)
	return out
}

// Applied notes what a log entry did. It must be told of every entry, in order, whether the node leads or not; entries
// that came by a snapshot excepted.
func (k *Keeper) Applied(a Applied) {
	for _, t := range a.Granted {
		if k.entries[t.Key] == nil {
			k.allow(t, a)
		}
	}
	for _, t := range a.Allowed {
		k.allow(t, a)
	}
	for _, key := range a.Ended {
		if e := k.entries[key]; e != nil {
			e.gone = true
			delete(k.entries, key)
		}
	}
	k.ends.sweep(len(k.entries))
}

// allow counts t's allowance from a.At. If it is one of this leader's own, renewals are acknowledged up to its end,
// counted from when it was proposed.
func (k *Keeper) allow(t Timed, a Applied) {
	e := k.entries[t.Key]
	if e == nil {
		e = &entry{key: t.Key, ttl: t.TTL}
		e.deadline = a.At.Add(lease.Allowance(t.TTL))
		k.entries[t.Key] = e
		if k.term != 0 {
			k.ends.add(e)
			k.wakeBy(e.deadline)
		}
	} else if a.Term == k.term {
		if at := k.proposedAt(); at != 0 {
			e.proposed = at
		}
	}
	e.seq, e.applied, e.index = t.Seq, a.At, a.Index
}

// proposedAt is when the allowance that is being applied was proposed, or earlier.
func (k *Keeper) proposedAt() lease.Instant {
	if k.allowance.number != 0 {
		return k.allowance.at
	}
	return k.unsure
}

func (k *Keeper) wakeBy(at lease.Instant) {
	if k.term != 0 {
		k.wake = min(k.wake, at)
	}
}
