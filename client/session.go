package client

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// session is one session's life in this process. It begins open, goes without its line while the node is away, and ends
// once: when the cluster or the node says so, or at its deadline.
type session struct {
	id    lease.SessionID
	token string
	node  locator.NodeID
	ttl   time.Duration
	lost  chan struct{} // closed at the end
	now   func() lease.Instant

	mu       sync.Mutex
	deadline lease.Instant
	ended    bool
	line     *line // nil while the node is away
	rings    map[*ring]struct{}
}

func newSession(w *api.Welcome, ttl time.Duration, l *line, now func() lease.Instant) *session {
	return &session{
		id: w.Session, token: w.Token, node: w.Node, ttl: ttl, lost: make(chan struct{}), now: now,
		deadline: w.Deadline, line: l, rings: map[*ring]struct{}{},
	}
}

// over reports whether the session has ended, and ends it if its deadline has passed: a suspended machine's timers are
// late, so whoever relies on the session asks the clock.
func (s *session) over() bool {
	s.mu.Lock()
	late := s.now() >= s.deadline
	ended := s.ended
	s.mu.Unlock()
	if late && !ended {
		s.end()
	}
	return late || ended
}

// end ends the session. The line stays for as long as rings attached through it are mapped: while it is open the node
// knows that their memory is in use.
func (s *session) end() {
	s.mu.Lock()
	first := !s.ended
	s.ended = true
	s.mu.Unlock()
	if first {
		close(s.lost)
		s.hangUp()
	}
}

// hangUp closes the line if nothing needs it.
func (s *session) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended && len(s.rings) == 0 && s.line != nil {
		s.line.close()
	}
}

// left returns how long the session is good for without another word from the node.
func (s *session) left() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline.Sub(s.now())
}

// extend moves the deadline as the node said. Once passed it stays passed.
func (s *session) extend(d lease.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended && s.now() < s.deadline {
		s.deadline = max(s.deadline, d)
	}
}

func (s *session) setLine(l *line) {
	s.mu.Lock()
	s.line = l
	s.mu.Unlock()
	s.hangUp()
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

// watchDeadline ends the session at its deadline. It looks every tenth of a term, because a timer does not count the time
// that the machine is suspended and the deadline does.
func (s *session) watchDeadline(ctx context.Context) {
	for {
		left := s.left()
		if left <= 0 {
			s.end()
			return
		}
		timer := time.NewTimer(min(left, s.ttl/10))
		select {
		case <-timer.C:
		case <-s.lost:
		case <-ctx.Done():
		}
		timer.Stop()
		if s.over() || ctx.Err() != nil {
			return
		}
	}
}

// beat shows life once and takes the deadline that the node answers with. No answer is no reason to hang up: the deadline
// decides.
func (s *session) beat(ctx context.Context, l *line) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lease.RenewEvery(s.ttl), errSlow)
	defer cancel()
	r, err := l.call(ctx, api.SessionMessage{Beat: &api.Beat{}})
	if err != nil {
		return err
	}
	if r.message.Beat == nil {
		l.close()
		return fmt.Errorf("client: own node answered a beat with something else: %w", io.ErrUnexpectedEOF)
	}
	s.extend(r.message.Beat.Deadline)
	return nil
}

// keep notes a ring that is mapped here.
func (s *session) keep(r *ring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rings[r] = struct{}{}
}

// bind notes that both sides of a ring are mapped: its node, restarted, can have it back.
func (s *session) bind(r *ring, side handBacker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.side = side
}

// forget notes that a ring is no longer mapped here, and tells the node.
func (s *session) forget(r *ring) {
	s.mu.Lock()
	_, known := s.rings[r]
	delete(s.rings, r)
	l := s.line
	s.mu.Unlock()
	if known && l != nil {
		// A broken line needs no word: the node knows that it hears nothing of this session any more.
		_ = l.post(api.SessionMessage{Detach: &api.Detach{Arena: r.name.Arena, Role: r.name.Role}})
	}
	s.hangUp()
}

// bound returns the rings that are worth handing back.
func (s *session) bound() []*ring {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rings []*ring
	for r := range s.rings {
		if r.side != nil {
			rings = append(rings, r)
		}
	}
	return rings
}
