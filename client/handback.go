package client

import (
	"context"
	"fmt"
	"os"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/lease"
)

// handBacker is a side in shared memory as its node's restart sees it.
type handBacker interface {
	BindPeer(part *os.File) error
	HandBack() (shm.Parts, error)
}

// ring is a side in shared memory that is mapped in this process.
type ring struct {
	name api.HandBack
	side handBacker // nil until the other side is mapped too: there is nothing to hand back before
}

// keep notes a ring that is mapped here, or about to be. It reports false if that side is already.
func (s *session) keep(r *ring) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.rings {
		if other.name.Arena == r.name.Arena && other.name.Role == r.name.Role {
			return false
		}
	}
	s.rings[r] = struct{}{}
	return true
}

// bind notes that both sides of a ring are mapped: its node, restarted, can have it back.
func (s *session) bind(r *ring, side handBacker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.side = side
}

// forget notes that a ring is no longer mapped here, and tells the node, which may not even have answered yet.
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
	s.mu.Lock()
	defer s.mu.Unlock()
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

// handBackAll gives a restarted node the memory of the rings that lie on it and are mapped here. A ring that the node does
// not take is sealed by it, or ends at its deadline; either way its edge gets another.
func (c *Client) handBackAll(s *session, l *line) {
	for _, r := range s.bound() {
		if err := c.handBack(s, l, r); err != nil {
			c.log.Warn("ring not taken back by its node", "edge", r.name.Edge, "generation", r.name.Generation, "err", err)
			continue
		}
		c.log.Info("ring handed back", "edge", r.name.Edge, "generation", r.name.Generation)
	}
}

func (c *Client) handBack(s *session, l *line, r *ring) error {
	parts, err := r.side.HandBack()
	if err != nil {
		return err // closed meanwhile
	}
	defer parts.Close()
	ctx, cancel := context.WithTimeoutCause(c.ctx, lease.RenewEvery(c.config.TTL), errSlow)
	defer cancel()
	name := r.name
	answer, err := l.call(ctx, api.SessionMessage{HandBack: &name}, parts.List()...)
	if err != nil {
		return err
	}
	if answer.message.OK == nil {
		closeFiles(answer.files)
		return fmt.Errorf("client: own node's answer to a hand-back is something else: %w", api.ErrUnavailable)
	}
	return nil
}

func closeFiles(files []*os.File) { fdconn.CloseFiles(files) }
