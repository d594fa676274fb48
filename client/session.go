package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	steps "github.com/grafnode/grafnode/internal/session"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// session is one session's life in this process: what steps.Machine decides, done with goroutines, timers and sockets.
type session struct {
	c      *Client
	opened chan struct{} // closed when the session is open; id, token and node are set before, and stay
	lost   chan struct{} // closed at the end
	moved  chan struct{} // holds a token when attend is to look at the machine again

	id    lease.SessionID
	token string
	node  locator.NodeID

	before api.Silences // what the client had counted when the session was begun

	mu       sync.Mutex
	machine  *steps.Machine
	greeting steps.Line         // where a hello is under way; zero: nowhere
	giveUp   context.CancelFunc // of that
	line     *line              // nil while the node is away
	beats    int
	rings    map[*ring]struct{}
}

func newSession(c *Client) *session {
	return &session{
		c: c, before: c.Silences(), opened: make(chan struct{}), lost: make(chan struct{}), moved: make(chan struct{}, 1), rings: map[*ring]struct{}{},
		machine: steps.New(steps.Config{TTL: c.config.TTL, Jitter: jitter}),
	}
}

// attend has the machine do what is due, until the session is over. It looks every tenth of a term at least, because a timer
// does not count the time that the machine is suspended and the deadline does.
func (s *session) attend() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.moved:
		case <-s.c.ctx.Done():
			return
		}
		s.mu.Lock()
		now := s.c.config.Now()
		s.perform(s.machine.Tick(now))
		next, live := s.machine.Next()
		s.mu.Unlock()
		if !live {
			return
		}
		timer.Reset(min(max(next.Sub(now), 0), s.c.config.TTL/10))
	}
}

// step runs one step of the machine and does what it asks for.
func (s *session) step(f func(m *steps.Machine, now lease.Instant) steps.Effects) {
	s.mu.Lock()
	s.perform(f(s.machine, s.c.config.Now()))
	s.mu.Unlock()
	select {
	case s.moved <- struct{}{}:
	default: // it will look anyway
	}
}

// perform does what a step asks for, without waiting for anything. s.mu is held.
func (s *session) perform(e steps.Effects) {
	if e.Hello != 0 {
		ctx, giveUp := context.WithCancel(s.c.ctx)
		s.greeting, s.giveUp = e.Hello, giveUp
		if !s.c.start(func() { s.greet(ctx, e.Hello) }) {
			giveUp()
		}
	}
	if l := s.line; e.Beat != 0 && l != nil {
		s.c.start(func() { s.beat(l) })
		if s.beats++; s.beats%relearnEvery == 0 {
			s.c.start(func() { s.c.learnNodes(s.c.ctx, s.c.route.own) }) // beats do not wait for it
		}
	}
	if e.HangUp != 0 && e.HangUp == s.greeting {
		s.giveUp()
	}
	if e.Over != nil {
		close(s.lost)
		s.hangUp()
		if s.id != "" && !errors.Is(e.Over, steps.ErrClosed) {
			s.c.log.Error("session lost", "session", s.id, "err", e.Over)
		}
	}
}

// hangUp closes the line if the session is over and nothing needs it: while it is open the node knows that the memory of the rings
// attached through it is in use. s.mu is held.
func (s *session) hangUp() {
	if s.machine.Cause() != nil && len(s.rings) == 0 && s.line != nil {
		s.line.close()
	}
}

// greet says hello on a new line, and listens there if it is welcome.
func (s *session) greet(ctx context.Context, number steps.Line) {
	s.mu.Lock()
	h := api.Hello{Session: s.machine.ID(), Token: s.token}
	s.mu.Unlock()
	l, w, err := s.c.connect(ctx, h)
	taken := false
	s.step(func(m *steps.Machine, now lease.Instant) steps.Effects {
		if s.greeting == number {
			s.giveUp()
			s.greeting = 0
		}
		if err != nil {
			return m.Refused(number, err, now)
		}
		e := m.Welcomed(number, w.Session, w.Deadline, now)
		if taken = m.Line() == number; taken {
			s.line = l
			if h.Session == "" {
				s.id, s.token, s.node = w.Session, w.Token, w.Node
				close(s.opened)
			}
		}
		return e
	})
	switch {
	case err != nil:
	case !taken:
		l.close()
	default:
		s.c.start(func() { s.listen(l, number) })
		if h.Session != "" {
			s.c.log.Info("own node is back", "session", s.id, "incarnation", w.Incarnation)
			s.c.handBackAll(s, l)
		}
	}
}

// listen takes in what the node says unasked, until the line breaks or the session is over.
func (s *session) listen(l *line, number steps.Line) {
	for {
		select {
		case d := <-l.good:
			s.step(func(m *steps.Machine, now lease.Instant) steps.Effects { return m.Good(d, now) })
		case <-l.over:
			s.step((*steps.Machine).Ended)
			return
		case <-s.lost:
			return
		case <-l.done:
			s.step(func(m *steps.Machine, now lease.Instant) steps.Effects {
				if s.line == l {
					s.line = nil
				}
				return m.Broke(number, now)
			})
			if !s.over() && s.c.ctx.Err() == nil {
				s.c.log.Warn("own node is away", "session", s.id, "good_for", s.left())
			}
			return
		}
	}
}

// beat shows life once and takes the deadline that the node answers with. No answer is no reason to hang up: the deadline
// decides.
func (s *session) beat(l *line) {
	ctx, cancel := context.WithTimeoutCause(s.c.ctx, lease.RenewEvery(s.c.config.TTL), errSlow)
	defer cancel()
	r, err := l.call(ctx, api.SessionMessage{Beat: &api.Beat{}})
	switch {
	case errors.Is(err, api.ErrSessionLost):
		s.step((*steps.Machine).Ended)
	case err != nil:
	case r.message.Beat == nil:
		l.close()
	default:
		s.step(func(m *steps.Machine, now lease.Instant) steps.Effects { return m.Good(r.message.Beat.Deadline, now) })
	}
}

// end ends the session because nobody wants it any more.
func (s *session) end() {
	s.step(func(m *steps.Machine, _ lease.Instant) steps.Effects { return m.Close() })
}

// over reports whether the session has ended, and ends it if its deadline has passed: a suspended machine's timers are
// late, so whoever relies on the session asks the clock.
func (s *session) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	is, e := s.machine.Over(s.c.config.Now())
	s.perform(e)
	return is
}

// why returns why the session is over, or why it is not open yet.
func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause := s.machine.Cause(); cause != nil {
		return cause
	}
	return s.machine.Refusal()
}

// left returns how long the session is good for without another word from the node.
func (s *session) left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.machine.Deadline().Sub(s.c.config.Now())
}

// connected returns the line to the node, or an error while it is away.
func (s *session) connected() (*line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.line == nil {
		return nil, fmt.Errorf("client: own node is away: %w", api.ErrUnavailable)
	}
	return s.line, nil
}
