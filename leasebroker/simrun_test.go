package leasebroker

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/lease"
)

// holder is a node that renews what lies on it.
type holder struct {
	clock clock
	keys  []Key
}

const (
	simHolders = 4
	simBusy    = 60 * time.Second
	simDrain   = 40 * time.Second // more than any bound
)

// load lets holders come, renew and die.
func (s *sim) load() []*holder {
	var holders []*holder
	for range simHolders {
		h := &holder{clock: s.newClock()}
		holders = append(holders, h)
		s.every(500*time.Millisecond, 700*time.Millisecond, func() { s.renew(h) })
	}
	s.every(100*time.Millisecond, 600*time.Millisecond, func() { s.grant(holders[s.rng.IntN(simHolders)]) })
	s.every(time.Second, 3*time.Second, s.revoke)
	return holders
}

func (s *sim) grant(h *holder) {
	l := s.leader
	if l == nil || l.paused > s.now || s.now > simBusy {
		return
	}
	s.names++
	key := simKey(s.names)
	t := &truth{ttl: s.between(lease.TTLMin, 3*lease.TTLMin), holder: h.clock, alive: true}
	s.keys[key] = t
	h.keys = append(h.keys, key)
	s.append(&proposed{by: l, life: l.life, kind: "grant", term: s.term, grant: []Timed{{Key: key, TTL: t.ttl}}})
	s.after(s.between(time.Second, 20*time.Second), func() { t.alive = false })
}

// simKey is the name of the nth: every third is a session.
func simKey(n int) Key {
	if n%3 == 0 {
		return Key{Session: lease.SessionID(fmt.Sprintf("s%03d", n))}
	}
	return Key{Lease: lease.ID(fmt.Sprintf("l%03d", n))}
}

func (s *sim) revoke() {
	l := s.leader
	if l == nil || l.paused > s.now || s.names == 0 {
		return
	}
	key := simKey(s.rng.IntN(s.names) + 1)
	if _, ok := s.state[key]; ok {
		s.append(&proposed{by: l, life: l.life, kind: "revoke", term: s.term, seen: []Seen{{Key: key}}})
	}
}

// renew asks whoever the holder takes for the leader.
func (s *sim) renew(h *holder) {
	q := request{asked: s.now}
	for _, key := range h.keys {
		if t := s.keys[key]; t.alive && t.granted != 0 && t.furthestOrNew(s.now) {
			q.keys = append(q.keys, key)
		}
	}
	m := s.machines[s.rng.IntN(len(s.machines))]
	if s.leader != nil && s.chance(70) {
		m = s.leader
	}
	if len(q.keys) == 0 {
		return
	}
	s.ticket++
	ticket := s.ticket
	s.tickets[ticket] = q
	m.on(s.delay(), func() {
		if m.keeper.Leading() != 0 {
			s.heard(q)
		}
		m.step(func(at lease.Instant) Effects { return m.keeper.Renew(ticket, q.keys, at) })
	})
}

func (s *sim) heard(q request) {
	for _, key := range q.keys {
		s.keys[key].last, s.keys[key].outageAt = s.now, s.outage
	}
}

// furthestOrNew reports whether the holder still has use for a renewal: what it let lapse is sealed for good.
func (t *truth) furthestOrNew(now time.Duration) bool { return t.furthest == 0 || now < t.furthest }

// trouble is what happens to the machines while the simulation is busy.
func (s *sim) trouble() {
	during := func(do func()) func() {
		return func() {
			if s.now < simBusy {
				do()
			}
		}
	}
	pick := func() *machine { return s.machines[s.rng.IntN(len(s.machines))] }
	s.every(2*time.Second, 6*time.Second, during(func() {
		m := pick()
		m.paused = max(m.paused, s.now+s.between(50*time.Millisecond, 9*time.Second))
	}))
	s.every(3*time.Second, 12*time.Second, during(s.elect))
	s.every(8*time.Second, 20*time.Second, during(func() {
		m := pick()
		if s.stats.restarts++; m == s.leader {
			s.leader = nil
		}
		m.start()
	}))
	s.every(5*time.Second, 10*time.Second, during(func() {
		if m := pick(); m != s.leader && m.paused <= s.now {
			m.install(len(s.log))
		}
	}))
}

// watch measures outages and ends them as Raft does, by an election.
func (s *sim) watch() {
	var silent time.Duration
	const look = 10 * time.Millisecond
	s.every(look, look+1, func() {
		if !s.working() {
			s.outage += look
		}
		if s.leader != nil && s.leader.paused <= s.now {
			silent = s.now
		}
		if s.now-silent > 500*time.Millisecond {
			s.elect()
		}
	})
}

// simulate runs one seed to its end and returns what went wrong.
func simulate(seed uint64, p plant) *sim {
	s := newSim(seed, p)
	s.watch()
	s.trouble()
	s.load()
	s.run(simBusy)
	if len(s.found) == 0 {
		s.run(simBusy + simDrain)
	}
	for key, t := range s.keys {
		if !p.planted && len(s.found) == 0 && t.granted != 0 && t.ended == 0 {
			s.violation("never ended: %v", key)
		}
	}
	return s
}

func TestLeaseTimeHoldsWhateverHappens(t *testing.T) {
	total := newSim(0, plant{}).stats
	for seed := range *seedsFlag {
		s := simulate(seed, plant{})
		require.Empty(t, s.found, "seed %d: go test -run TestSeed ./leasebroker -args -seed %d", seed, seed)
		total.acks += s.stats.acks
		total.expiries += s.stats.expiries
		total.elections += s.stats.elections
		total.restarts += s.stats.restarts
		total.allowances += s.stats.allowances
		total.refusedExpiries += s.stats.refusedExpiries
	}
	t.Logf("seeds 0..%d: %+v", *seedsFlag-1, total)
	require.Positive(t, total.refusedExpiries, "no deposed leader's expiry was seen to do nothing")
}
