package leasebroker

import (
	"time"

	"github.com/grafnode/grafnode/lease"
)

// perform carries out a keeper's effects, at the network's and the disk's leisure.
func (m *machine) perform(e Effects) {
	for _, a := range e.Answers {
		m.s.answered(a, m)
	}
	if e.Round != 0 {
		m.round(e.Round)
	}
	if p := e.Allowance; p != nil {
		m.propose(&proposed{by: m, life: m.life, kind: "allowance", term: p.Term, number: p.Number, seen: p.Seen, since: m.since})
	}
	if p := e.Expire; p != nil {
		m.propose(&proposed{by: m, life: m.life, kind: "expire", term: p.Term, number: p.Number, seen: p.Seen, since: m.since})
	}
}

// round asks the quorum. The machine may have been deposed again by the time it hears the answer.
func (m *machine) round(number uint64) {
	if m.s.plant.skipRound {
		m.on(0, func() { m.step(func(at lease.Instant) Effects { return m.keeper.QuorumRound(number, true, at) }) })
		return
	}
	term, committed := m.leads, len(m.s.log)
	m.on(m.s.delay(), func() {
		ok := m.s.leader == m && m.s.term == term && m.s.majority()
		m.whenApplied(committed, func() {
			m.step(func(at lease.Instant) Effects { return m.keeper.QuorumRound(number, ok, at) })
		})
	})
}

func (m *machine) whenApplied(index int, do func()) {
	m.on(m.s.delay(), func() {
		if m.applied < index {
			m.whenApplied(index, do)
			return
		}
		do()
	})
}

// propose hands an entry to Raft, perhaps long after it was made, and sometimes forgets how that went.
func (m *machine) propose(p *proposed) {
	m.on(m.s.delay(), func() {
		switch {
		case m.s.leader != m, m.s.rough && m.s.chance(2):
			m.done(p, OutcomeNotApplied)
		case m.s.rough && m.s.chance(5):
			m.s.append(p)
			m.done(p, OutcomeUnknown)
		default:
			m.s.append(p)
		}
	})
}

func (m *machine) done(p *proposed, o Outcome) {
	if p.life != m.life || p.number == 0 {
		return
	}
	m.on(m.s.delay(), func() {
		m.step(func(at lease.Instant) Effects {
			if p.kind == "expire" {
				return m.keeper.ExpireDone(p.number, o, at)
			}
			return m.keeper.AllowanceDone(p.number, o, at)
		})
	})
}

func (s *sim) append(p *proposed) {
	p.appended = s.term
	s.pending = append(s.pending, p)
	s.commitLater(p)
}

// commitLater commits all up to p, if its leader still leads when a majority has it.
func (s *sim) commitLater(p *proposed) {
	s.after(s.delay(), func() {
		if s.leader == nil || s.term != p.appended {
			return // for the next leader to decide
		}
		if !s.majority() || s.leader.paused > s.now {
			s.commitLater(p)
			return
		}
		for i, q := range s.pending {
			if q == p {
				s.commit(s.pending[:i+1])
				s.pending = s.pending[i+1:]
				return
			}
		}
	})
}

func (s *sim) commit(list []*proposed) {
	for _, p := range list {
		s.log = append(s.log, s.decide(p))
		index := len(s.log)
		for _, m := range s.machines {
			m.on(s.delay(), func() { m.applyTo(max(m.applied, index)) })
		}
		if p.life == p.by.life {
			p.by.whenApplied(index, func() { p.by.done(p, OutcomeApplied) })
		}
	}
}

// decide is the registry's state machine.
func (s *sim) decide(p *proposed) Applied {
	a := Applied{Index: uint64(len(s.log) + 1), Term: p.appended}
	valid := p.term == p.appended || s.plant.skipTerm
	for _, t := range p.grant {
		s.state[t.Key] = t
		s.keys[t.Key].granted, s.keys[t.Key].last, s.keys[t.Key].outageAt = s.now, s.now, s.outage
		a.Granted = append(a.Granted, t)
	}
	for _, seen := range p.seen {
		t, ok := s.state[seen.Key]
		switch {
		case !ok || p.kind != "revoke" && (!valid || t.Seq != seen.Seq):
			if p.kind == "expire" {
				s.stats.refusedExpiries++
			}
		case p.kind == "allowance":
			s.stats.allowances++
			t.Seq++
			s.state[t.Key] = t
			a.Allowed = append(a.Allowed, t)
		default:
			delete(s.state, t.Key)
			a.Ended = append(a.Ended, t.Key)
			s.end(t.Key, p)
		}
	}
	return a
}

// elect makes a machine that is awake the leader. Of what the old one left, a prefix is in the new one's log.
func (s *sim) elect() {
	var awake []*machine
	for _, m := range s.machines {
		if m.paused <= s.now {
			awake = append(awake, m)
		}
	}
	if len(awake)*2 <= len(s.machines) {
		return
	}
	old := s.leader
	s.stats.elections++
	s.term++
	s.leader = awake[s.rng.IntN(len(awake))]
	survive := s.rng.IntN(len(s.pending) + 1)
	kept, lost := s.pending[:survive], s.pending[survive:]
	s.pending = nil
	s.commit(kept)
	for _, p := range lost {
		p.by.done(p, OutcomeUnknown)
	}
	if old != nil {
		old.on(s.delay(), func() { old.follow() })
	}
	s.leader.takeOver(s.term, len(s.log))
}

func (m *machine) follow() {
	if m.s.leader == m && m.s.term == m.leads {
		return
	}
	m.leads = 0
	m.step(func(lease.Instant) Effects { return m.keeper.LostLeadership() })
}

// takeOver waits for the barrier, then leads.
func (m *machine) takeOver(term uint64, barrier int) {
	m.on(m.s.delay(), func() {
		m.applyTo(max(m.applied, barrier))
		if m.s.term != term {
			return
		}
		snapshot := Snapshot{Index: uint64(m.applied)}
		for _, t := range m.state {
			snapshot.Terms = append(snapshot.Terms, t)
		}
		m.leads, m.since = term, m.s.now
		m.step(func(at lease.Instant) Effects {
			e := m.keeper.BecameLeader(term, snapshot, at)
			if m.s.plant.afterLead != nil {
				m.s.plant.afterLead(m)
			}
			return e
		})
	})
}

// end notes that a key's end is committed, and judges it.
func (s *sim) end(key Key, p *proposed) {
	t := s.keys[key]
	t.ended, t.expired = s.now, p.kind == "expire"
	if !t.expired {
		return
	}
	s.stats.expiries++
	if t.furthest > s.now {
		s.violation("early: %v expired, its holder's deadline is %v", key, t.furthest)
	}
	if s.plant.planted {
		return
	}
	latest := max(t.last+t.ttl*3/2, p.since+t.ttl*5/4)
	slack := 500 * time.Millisecond // messages and disks
	if s.rough {
		slack = 10 * time.Second // as slow and forgetful as the simulation makes them
	}
	if latest += s.outage - t.outageAt + slack; s.now > latest {
		s.violation("late: %v (term %v) expired, last heard %v, expected by %v", key, t.ttl, t.last, latest)
	}
}

// answered judges an acknowledgement at the moment it is given.
func (s *sim) answered(a Answer, m *machine) {
	q := s.tickets[a.Ticket]
	delete(s.tickets, a.Ticket)
	for key, d := range a.Granted {
		t := s.keys[key]
		s.stats.acks++
		deadline := q.asked + t.holder.lasts(d)
		if t.ended != 0 && q.asked > t.ended {
			s.violation("machine %d renewed %v, asked %v, which had ended at %v", m.id, key, q.asked, t.ended)
		}
		if t.expired && deadline > t.ended {
			s.violation("machine %d renewed %v up to %v, which had expired at %v", m.id, key, deadline, t.ended)
		}
		t.furthest = max(t.furthest, deadline)
	}
}
