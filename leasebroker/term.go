package leasebroker

import (
	"cmp"
	"slices"
	"time"

	"github.com/grafnode/grafnode/lease"
)

// Key names something that is granted for a term: a lease or a session, which are timed alike. Exactly one field is set.
type Key struct {
	Lease   lease.ID
	Session lease.SessionID
}

// String returns the ID with what it is the ID of.
func (k Key) String() string {
	if k.Lease != "" {
		return "lease " + string(k.Lease)
	}
	return "session " + string(k.Session)
}

func (k Key) compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Lease, o.Lease), cmp.Compare(k.Session, o.Session))
}

// Timed is a lease or session as the registry's state has it.
type Timed struct {
	Key Key
	TTL time.Duration // its term
	Seq uint64        // how many allowances have been recorded for it
}

// Seen is a lease or session with the allowance sequence that a proposal is based on. Applied to any other sequence, the
// proposal does nothing to it.
type Seen struct {
	Key Key
	Seq uint64
}

// Applied is what one log entry did to leases and sessions, as one node applied it.
type Applied struct {
	Index   uint64        // the entry's Raft index
	Term    uint64        // the Raft term in which the entry was appended
	At      lease.Instant // when this node applied it, by its own clock
	Granted []Timed       // new
	Allowed []Timed       // an allowance was recorded: the sequence after it
	Ended   []Key         // expired, revoked, released or ended
}

// Snapshot is all leases and sessions of the registry's state after the entry at Index.
type Snapshot struct {
	Index uint64
	Terms []Timed
}

// entry is what a keeper knows of one key. The second group counts only while it leads.
type entry struct {
	key     Key
	gone    bool // ended: what still names it passes over it
	ttl     time.Duration
	seq     uint64
	applied lease.Instant // when this node applied the newest allowance, or the grant
	index   uint64        // of the newest log entry about it

	deadline lease.Instant // not expired before: the inherited allowance's end, or the furthest acknowledgement
	look     lease.Instant // its place in the agenda; at or before the deadline
	proposed lease.Instant // when this leader proposed the newest applied allowance; zero: none of its own yet
	due      lease.Instant // renewed since the last allowance was proposed: when the next must be; zero: not renewed
	allowing bool          // in the allowance that is under way
	expiring bool          // its expiry is proposed and the outcome is not known: not to be renewed
	doubtful bool          // and at least one such proposal has ended without saying how
}

// allowed is how far a renewal may be acknowledged. Only allowances of this leader's own count: of an inherited one it
// knows when it applied it, but another node may have done so earlier, and would count from there.
func (e *entry) allowed() lease.Instant {
	if e.proposed == 0 {
		return 0
	}
	return e.proposed.Add(lease.Allowance(e.ttl))
}

// grantable is how long from asked a renewal can be acknowledged; zero or less: not at all.
func (e *entry) grantable(asked lease.Instant) time.Duration {
	if e.expiring {
		return 0
	}
	return min(e.ttl, e.allowed().Sub(asked))
}

// short reports whether a renewal should rather wait for the next allowance than be acknowledged now.
func (e *entry) short(asked lease.Instant) bool {
	return !e.expiring && e.grantable(asked) < e.ttl/2
}

// dueBy is when a renewal must be in the log: within a quarter term, together with what else is renewed until then, or at
// once if it could not be acknowledged otherwise.
func (e *entry) dueBy(asked lease.Instant) lease.Instant {
	if e.short(asked) {
		return asked
	}
	return asked.Add(lease.AllowanceEvery(e.ttl))
}

// lead starts the count of a new leader.
func (e *entry) lead() {
	e.deadline = e.applied.Add(lease.Allowance(e.ttl))
	e.look = e.deadline
	e.proposed, e.due, e.allowing, e.expiring, e.doubtful = 0, 0, false, false, false
}

func sortSeen(s []Seen) {
	slices.SortFunc(s, func(a, b Seen) int { return a.Key.compare(b.Key) })
}
