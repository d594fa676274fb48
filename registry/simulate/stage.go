package simulate

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/session"
	"github.com/grafnode/grafnode/lease"
)

const (
	ttlMin = lease.TTLMin
	ttlMax = 3 * lease.TTLMin
)

// stage is a stage program: one session after the other, and one request after the other. Its sessions are package client's; what
// it asks for it asks for as package client does.
type stage struct {
	process
	name string
	node *node // its own

	me     *session.Machine        // the newest session
	ttl    time.Duration           // its term
	alarm  uint64                  // of its one timer
	wire   *wire                   // its newest
	known  map[string]api.Revision // the newest of each edge that it has seen
	spares map[string]fence.Epoch  // the last spare of each edge that it has heard of
	leases []lease.ID
	doing  *op
	watch  *watch // some stages have one
}

func newStage(w *World, m *machine, number int) *stage {
	return &stage{
		process: process{w: w, m: m, who: uint64(100 + number)}, name: fmt.Sprintf("stage%d", number), node: w.nodes[m.id],
	}
}

func (s *stage) start() {
	s.life++
	s.up, s.asleep = true, 0
	s.wire, s.doing = nil, nil
	s.known, s.spares, s.leases = map[string]api.Revision{}, map[string]fence.Epoch{}, nil
	s.open()
	s.after(s.w.between(0, time.Second), "begin", 0, s.next)
	if s.watch = nil; s.who%2 == 0 {
		s.look(0)
	}
}

// kill ends the process. Its wire is closed by the system.
func (s *stage) kill() {
	if s.wire != nil {
		s.wire.hangUp()
	}
	s.up, s.doing = false, nil
}

// open begins a session.
func (s *stage) open() {
	s.ttl, s.leases = s.w.between(ttlMin, ttlMax), nil
	s.me = session.New(session.Config{TTL: s.ttl, Jitter: func(d time.Duration) time.Duration { return s.w.between(0, d) }})
	s.step((*session.Machine).Tick)
}

// over reports whether there is no session to rely on.
func (s *stage) over() bool {
	is, e := s.me.Over(s.m.now())
	s.perform(e)
	return is || s.me.ID() == ""
}

// session returns the present session; empty: none.
func (s *stage) session() lease.SessionID {
	if s.me.Cause() != nil {
		return ""
	}
	return s.me.ID()
}

// step runs one step of the session and does what it asks for.
func (s *stage) step(f func(m *session.Machine, now lease.Instant) session.Effects) {
	before, old := s.me.Line(), s.me.ID()
	e := f(s.me, s.m.now())
	switch up := s.me.Line() != 0 && s.me.Line() != before; {
	case up && old == "":
		s.w.Stats.Sessions++
		s.w.judge.promised(s)
	case up:
		s.w.Stats.Adopted++
	}
	s.perform(e)
	s.arm()
}

// perform does what the session asks for, as package client does.
func (s *stage) perform(e session.Effects) {
	if e.HangUp != 0 && s.wire.number == e.HangUp {
		s.wire.hangUp()
	}
	if e.Hello != 0 {
		s.connect(e.Hello)
	}
	if c := s.wire; e.Beat != 0 {
		s.w.send(s.m, &s.node.process, "beat", s.who, func() { s.node.beaten(c) })
	}
	if e.Over != nil {
		s.w.Stats.SessionsLost++
		s.after(s.w.between(0, 500*time.Millisecond), "open again", 0, s.open)
	}
}

// arm sets the session's one timer. Whoever is stopped hears it late.
func (s *stage) arm() {
	s.alarm++
	alarm, life := s.alarm, s.life
	next, live := s.me.Next()
	if !live {
		return
	}
	s.w.plan(max(0, next.Sub(s.m.now()))+10*time.Microsecond, func() {
		if s.alarm == alarm { // an alarm that was set anew is no step
			s.arrive(life, "session", 0, func() {
				if s.alarm == alarm {
					s.step((*session.Machine).Tick)
				}
			})
		}
	})
}

// undecided reports whether a request may be sent again: it certainly was not carried out, or nobody knows.
func undecided(err error) bool {
	return errors.Is(err, api.ErrUnavailable) || errors.Is(err, api.ErrNoQuorum) || errors.Is(err, api.ErrUnknown)
}
