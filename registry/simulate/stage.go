package simulate

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

const (
	ttlMin = lease.TTLMin
	ttlMax = 3 * lease.TTLMin
)

// stage is a stage program: one session after the other, and one request after the other. It acts as package client does.
type stage struct {
	process
	name string
	node *node // its own

	session  lease.SessionID // empty: none
	ttl      time.Duration
	deadline lease.Instant
	line     bool
	known    map[string]api.Revision // the newest of each edge that it has seen
	leases   []lease.ID
	doing    *op
	watch    *watch // some stages have one
}

func newStage(w *World, m *machine, number int) *stage {
	return &stage{
		process: process{w: w, m: m, who: uint64(100 + number)}, name: fmt.Sprintf("stage%d", number), node: w.nodes[m.id],
	}
}

func (s *stage) start() {
	s.life++
	s.up, s.asleep = true, 0
	s.session, s.line, s.doing = "", false, nil
	s.known, s.leases = map[string]api.Revision{}, nil
	s.connect("")
	s.after(s.w.between(0, time.Second), "begin", 0, s.next)
	if s.watch = nil; s.who%2 == 0 {
		s.look(0)
	}
}

func (s *stage) kill() {
	s.hangUp()
	s.up, s.doing = false, nil
}

// hangUp closes the line, which to the node is the end of the process.
func (s *stage) hangUp() {
	if n, id := s.node, s.session; s.line {
		s.w.send(s.m, &n.process, "line closed", s.who, func() { n.depart(id) })
	}
	s.line = false
}

// over reports whether the session has ended, and ends it if its deadline has passed: timers are late on a machine that was
// suspended, so whoever relies on a session asks the clock.
func (s *stage) over() bool {
	if s.session != "" && s.m.now() >= s.deadline {
		s.ended(s.session)
	}
	return s.session == ""
}

// ended ends the session, and opens another.
func (s *stage) ended(id lease.SessionID) {
	if s.session != id || id == "" {
		return
	}
	s.w.Stats.SessionsLost++
	s.hangUp()
	s.session, s.leases = "", nil
	s.after(s.w.between(0, 500*time.Millisecond), "open again", 0, func() { s.connect("") })
}

// extend moves the deadline. Once passed it stays passed.
func (s *stage) extend(id lease.SessionID, d lease.Instant) {
	if s.session == id && !s.over() {
		s.deadline = max(s.deadline, d)
	}
}

// hungUp says that the own node is away.
func (s *stage) hungUp() {
	s.line = false
	if !s.over() {
		s.connect(s.session)
	}
}

// connect says hello to the own node, with the old session or for a new one.
func (s *stage) connect(old lease.SessionID) {
	retry := func() {
		s.after(s.w.between(10*time.Millisecond, 500*time.Millisecond), "connect again", 0, func() {
			if s.session == old && !s.line {
				s.over()
				s.connect(s.session)
			}
		})
	}
	if s.session != old || s.line {
		return
	}
	if !s.node.awake() {
		retry()
		return
	}
	ttl, life, answered := s.w.between(ttlMin, ttlMax), s.node.life, false
	if old != "" {
		ttl = s.ttl
	}
	n := s.node
	s.w.send(s.m, &n.process, "hello", s.who, func() {
		n.hello(s, old, ttl, func(id lease.SessionID, d lease.Instant, err error) {
			n.w.send(n.m, &s.process, "welcome", n.who, func() {
				answered = true
				s.welcome(old, id, ttl, d, err, retry)
			})
		})
	})
	s.after(15*time.Second, "hello timeout", 0, func() {
		if !answered && n.life == life {
			s.w.send(s.m, &n.process, "line closed", s.who, func() { n.departed(s) }) // looks like the end of the process
			retry()
		}
	})
	s.after(time.Second, "line?", 0, func() {
		if !answered && n.life != life {
			retry()
		}
	})
}

func (s *stage) welcome(old, id lease.SessionID, ttl time.Duration, d lease.Instant, err error, retry func()) {
	switch {
	case s.session != old || s.line:
	case err != nil:
		if !undecided(err) {
			s.ended(old)
		}
		retry()
	case old == "" && s.m.now() >= d:
		n := s.node
		s.w.send(s.m, &n.process, "line closed", s.who, func() { n.depart(id) })
		retry()
	default:
		s.line = true
		if old == "" {
			s.session, s.ttl, s.deadline = id, ttl, d
			s.w.Stats.Sessions++
			s.w.judge.promised(s)
			s.watchDeadline(id)
			s.beat(id)
			return
		}
		s.w.Stats.Adopted++
		s.extend(id, d)
	}
}

// watchDeadline ends the session at its deadline, even if no packet ever comes again.
func (s *stage) watchDeadline(id lease.SessionID) {
	s.after(min(max(s.deadline.Sub(s.m.now()), 0), s.ttl/4)+time.Microsecond, "deadline?", 0, func() {
		if s.session == id && !s.over() {
			s.watchDeadline(id)
		}
	})
}

func (s *stage) beat(id lease.SessionID) {
	n := s.node
	if s.session != id {
		return
	}
	if s.line {
		s.w.send(s.m, &n.process, "beat", s.who, func() {
			if d, ok := n.beaten(id); ok {
				n.w.send(n.m, &s.process, "beat answered", 0, func() { s.extend(id, d) })
			}
		})
	}
	s.after(lease.RenewEvery(s.ttl), "beat", 0, func() { s.beat(id) })
}

// undecided reports whether a request may be sent again: it certainly was not carried out, or nobody knows.
func undecided(err error) bool {
	return errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrNoQuorum) || errors.Is(err, api.ErrUnknown)
}
