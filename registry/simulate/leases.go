package simulate

import (
	"time"

	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/registry/state"
)

// leaseTruths is what really happened to terms: of leases and of sessions.
type leaseTruths struct {
	w      *World
	keys   map[leasebroker.Key]*term
	alive  []*term
	outage time.Duration // true time so far without a leader at work
	since  time.Duration // when the present one began
	leader *node
	of     uint64
}

type term struct {
	key      leasebroker.Key
	ttl      time.Duration
	granted  time.Duration
	heard    time.Duration // when a leader last heard a renewal, or the grant was committed
	outage   time.Duration // before that
	furthest time.Duration // the latest deadline that a holder was told
	ended    bool
	end      time.Duration
	expired  bool
}

func newLeaseTruths(w *World) leaseTruths {
	return leaseTruths{w: w, keys: map[leasebroker.Key]*term{}}
}

const (
	look  = 10 * time.Millisecond
	slack = 15 * time.Second // as slow and forgetful as this world makes messages and disks
)

// watch measures outages, and looks for terms that nobody ends.
func (t *leaseTruths) watch() {
	t.w.every(look, look+1, func() {
		leader := t.w.working()
		if leader == nil {
			t.outage += look
			return
		}
		if leader != t.leader || leader.term != t.of {
			t.leader, t.of, t.since = leader, leader.term, t.w.now
		}
	})
	t.w.every(time.Second, 2*time.Second, func() {
		kept := t.alive[:0]
		for _, k := range t.alive {
			if k.ended {
				continue
			}
			kept = append(kept, k)
			if t.w.now > t.latest(k) {
				t.w.judge.object("late: %v (term %v), last heard of at %v, is still there", k.key, k.ttl, k.heard)
			}
		}
		t.alive = kept
	})
}

// working returns the leader that keeps time and reaches a majority, if there is one.
func (w *World) working() *node {
	for _, n := range w.nodes {
		if n.ready == 0 || n.keeper.Leading() != n.ready || !n.awake() {
			continue
		}
		if n.majority(func(f *node) bool {
			return f == n || f.awake() && w.net.open(n.m.id, f.m.id) && w.net.open(f.m.id, n.m.id)
		}) {
			return n
		}
	}
	return nil
}

// latest is when a term that is not renewed any more must have ended: a term and a half after it was last heard of, or a term and
// a quarter after its leader began.
func (t *leaseTruths) latest(k *term) time.Duration {
	return max(k.heard+k.ttl*3/2, t.since+k.ttl*5/4) + t.outage - k.outage + slack
}

// heard notes a renewal.
func (j *judge) heard(keys []leasebroker.Key) {
	t := &j.terms
	for _, key := range keys {
		if k := t.keys[key]; k != nil {
			k.heard, k.outage = t.w.now, t.outage
		}
	}
}

// acked judges an acknowledgement at the moment at which a leader gives it: not for what had ended when it was asked for, and not
// beyond an expiry.
func (j *judge) acked(by *node, key leasebroker.Key, asked, lasts time.Duration) {
	k := j.terms.keys[key]
	if k == nil {
		j.object("node %d renewed %v, which never was", by.m.id, key)
		return
	}
	j.w.Stats.Acks++
	deadline := asked + lasts
	switch {
	case k.ended && asked > k.end:
		j.object("node %d renewed %v, asked at %v, which had ended at %v", by.m.id, key, asked, k.end)
	case k.expired && deadline > k.end:
		j.object("node %d renewed %v up to %v, which had expired at %v", by.m.id, key, deadline, k.end)
	}
	k.furthest = max(k.furthest, deadline)
}

// promised notes the first deadline that a stage is told.
func (j *judge) promised(s *stage) {
	if k := j.terms.keys[leasebroker.Key{Session: s.session()}]; k != nil {
		k.furthest = max(k.furthest, j.w.now+s.m.clock.lasts(s.me.Deadline().Sub(s.m.now())))
	}
}

// committed notes grants and judges ends.
func (t *leaseTruths) committed(e *entry, by *node) {
	r := &e.result
	if _, renewal := e.command.(state.Allowance); !renewal {
		for _, l := range r.Leases {
			t.granted(leasebroker.Key{Lease: l.ID}, l.TTL)
		}
		for _, s := range r.Sessions {
			t.granted(leasebroker.Key{Session: s.ID}, s.TTL)
		}
	}
	x, expiry := e.command.(state.Expire)
	if expiry && len(r.Ended) == 0 {
		t.w.Stats.RefusedExpiries++
	}
	for _, end := range r.Ended {
		for _, key := range []leasebroker.Key{{Lease: lease.ID(end.ID)}, {Session: lease.SessionID(end.ID)}} {
			if k := t.keys[key]; k != nil {
				t.ended(k, end.Status, x, by)
			}
		}
	}
}

func (t *leaseTruths) granted(key leasebroker.Key, ttl time.Duration) {
	if t.keys[key] != nil {
		return
	}
	k := &term{key: key, ttl: ttl, granted: t.w.now, heard: t.w.now, outage: t.outage}
	t.keys[key] = k
	t.alive = append(t.alive, k)
}

func (t *leaseTruths) ended(k *term, status lease.Status, x state.Expire, _ *node) {
	if k.ended {
		t.w.judge.object("%v ended twice, at %v and now", k.key, k.end)
	}
	k.ended, k.end, k.expired = true, t.w.now, status == lease.Expired
	if !k.expired {
		return
	}
	t.w.Stats.Expiries++
	if k.furthest > t.w.now {
		t.w.judge.object("early: %v expired in an entry of term %d, its holder's deadline is %v", k.key, x.Term, k.furthest)
	}
	if latest := t.latest(k); t.w.now > latest {
		t.w.judge.object("late: %v (term %v) expired, last heard of at %v, expected by %v", k.key, k.ttl, k.heard, latest)
	}
}
