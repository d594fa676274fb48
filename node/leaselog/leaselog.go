// Package leaselog says what the registry's log means for lease time: which entries a keeper's proposals are, and what an
// applied entry did to the terms that a keeper counts. It is pure. Callers: node, which runs a keeper beside a registry, and the
// simulation, which runs many.
package leaselog

import (
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/registry/state"
)

// Allowance returns the command that records an allowance.
func Allowance(term uint64, seen []leasebroker.Seen) state.Allowance {
	leases, sessions := marks(seen)
	return state.Allowance{Term: term, Leases: leases, Sessions: sessions}
}

// Expire returns the command that expires what was seen.
func Expire(term uint64, seen []leasebroker.Seen) state.Expire {
	leases, sessions := marks(seen)
	return state.Expire{Term: term, Leases: leases, Sessions: sessions}
}

func marks(seen []leasebroker.Seen) (leases []state.Mark[lease.ID], sessions []state.Mark[lease.SessionID]) {
	for _, s := range seen {
		if s.Key.Lease != "" {
			leases = append(leases, state.Mark[lease.ID]{ID: s.Key.Lease, Seq: s.Seq})
		} else {
			sessions = append(sessions, state.Mark[lease.SessionID]{ID: s.Key.Session, Seq: s.Seq})
		}
	}
	return leases, sessions
}

// Applied says what one entry did to leases and sessions. At is for the caller to fill in.
func Applied(index, term uint64, c state.Command, r state.Result) leasebroker.Applied {
	a := leasebroker.Applied{Index: index, Term: term}
	if r.Err != nil {
		return a
	}
	terms := timed(r.Leases, r.Sessions)
	if _, ok := c.(state.Allowance); ok {
		a.Allowed = terms
	} else {
		a.Granted = terms // also what was there already: the keeper knows it
	}
	for _, e := range r.Ended {
		// The state remembers an ended ID, not what it was the ID of. IDs are random, so no other can be meant.
		a.Ended = append(a.Ended, leasebroker.Key{Lease: lease.ID(e.ID)}, leasebroker.Key{Session: lease.SessionID(e.ID)})
	}
	return a
}

// Snapshot is all that is timed in s.
func Snapshot(s *state.State) leasebroker.Snapshot {
	var leases []state.Lease
	for l := range s.Leases() {
		leases = append(leases, l)
	}
	var sessions []state.Session
	for session := range s.Sessions() {
		sessions = append(sessions, session)
	}
	return leasebroker.Snapshot{Index: s.Index(), Terms: timed(leases, sessions)}
}

func timed(leases []state.Lease, sessions []state.Session) []leasebroker.Timed {
	var out []leasebroker.Timed
	for _, l := range leases {
		out = append(out, leasebroker.Timed{Key: leasebroker.Key{Lease: l.ID}, TTL: l.TTL, Seq: l.Seq})
	}
	for _, s := range sessions {
		out = append(out, leasebroker.Timed{Key: leasebroker.Key{Session: s.ID}, TTL: s.TTL, Seq: s.Seq})
	}
	return out
}
