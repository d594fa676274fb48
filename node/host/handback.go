package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/internal/fdconn"
	"github.com/grafnode/grafnode/internal/refusals"
	"github.com/grafnode/grafnode/lease"
)

// adoptTimeout bounds how long the cluster is asked to agree that a ring is taken back. The ring's own deadline comes
// first, most likely.
const adoptTimeout = 10 * time.Second

// handBack takes back a ring that was mapped through an earlier incarnation of this node (protocol rule 20): it verifies
// the memory, asks the cluster, and goes on with the ring or seals it. It owns files.
func (s *session) handBack(seq uint64, m api.HandBack, files []*os.File) error {
	parts, err := shm.PartsOf(files)
	if err != nil {
		fdconn.CloseFiles(files)
		return api.Errorf(api.KindInvalid, "hand back edge %s: %v", m.Edge, err)
	}
	w := want{edge: m.Edge, generation: m.Generation, arena: m.Arena, role: m.Role, session: s.id, local: true}
	r, err := s.h.check(w)
	if err == nil {
		err = s.h.bothHere(r)
	}
	if err != nil {
		c := fabric.Config{Arena: m.Arena, Edge: m.Edge, Generation: m.Generation, Capacity: m.Capacity}
		s.seal(c, parts, err)
		return refusal(err)
	}
	if err := s.adopt(r, w, parts); err != nil {
		return refusal(err)
	}
	return s.answer(seq, api.SessionMessage{OK: &struct{}{}})
}

// bothHere reports whether both sides of a ring are of this host. A side that a data connection of the earlier incarnation
// served is gone with it.
func (h *Host) bothHere(r Ring) error {
	for _, role := range []fabric.Role{fabric.RoleProducer, fabric.RoleConsumer} {
		if holder, _ := r.side(role); holder.Node != h.config.Node {
			return api.Errorf(api.KindConflict, "%v: its %s was attached through the node that is gone", r, role)
		}
	}
	return nil
}

// seal seals a ring that is handed back but not this node's to serve any more, so that both sides notice now. It owns parts.
func (s *session) seal(c fabric.Config, parts shm.Parts, why error) {
	mem, err := shm.Adopt(c, parts)
	if err != nil {
		s.h.log.Warn("ring handed back is over, or not what it is said to be", refusals.Peer, s.user, "edge", c.Edge, "generation", c.Generation, "err", err)
		return
	}
	mem.Seal(lossOf(why))
	mem.Close()
}

// adopt makes the memory in parts the ring r's, or recognises it as what the other side has handed back before. It owns parts.
func (s *session) adopt(r Ring, w want, parts shm.Parts) error {
	h := s.h
	h.mu.Lock()
	a := h.arenas[r.Arena()]
	if a == nil {
		a = newArena(r)
		a.adopting = true
		h.arenas[r.Arena()] = a
	}
	h.mu.Unlock()
	a.build.Lock()
	defer a.build.Unlock()
	_, made, err := h.reserve(a)
	switch {
	case err != nil:
		h.mu.Lock()
		h.endLocked(a, lossOf(err))
		h.mu.Unlock()
		s.seal(r.config(0), parts, err)
		return err
	case made:
		defer parts.Close()
		if a.shared == nil {
			return fmt.Errorf("%v: %w", r, fabric.ErrUnsupported)
		}
		if err := a.shared.Recognize(parts); err != nil {
			return fmt.Errorf("%v: %w", r, err)
		}
		return h.take(s.ctx, a, w)
	}
	mem, err := h.adoptMemory(s.ctx, r, parts)
	h.mu.Lock()
	if err != nil {
		h.endLocked(a, lossOf(err))
		h.mu.Unlock()
		return err
	}
	a.adopting = false
	h.installLocked(a, mem, mem)
	h.mu.Unlock()
	return h.take(s.ctx, a, w)
}

// adoptMemory verifies parts and has the cluster agree; if it does not, the ring is sealed. It owns parts.
func (h *Host) adoptMemory(ctx context.Context, r Ring, parts shm.Parts) (*shm.Arena, error) {
	mem, err := shm.Adopt(r.config(0), parts)
	if err != nil {
		return nil, err
	}
	if err := h.askToAdopt(ctx, r); err != nil {
		mem.Seal(lossOf(err))
		mem.Close()
		return nil, fmt.Errorf("%v: the cluster does not agree to its adoption: %w", r, err)
	}
	return mem, nil
}

// askToAdopt has the cluster move the lease to this incarnation. Asking again is harmless, so an unknown outcome is asked
// for until it is known.
func (h *Host) askToAdopt(ctx context.Context, r Ring) error {
	ctx, cancel := context.WithTimeout(ctx, adoptTimeout)
	defer cancel()
	for {
		err := h.config.Leader.AdoptLease(ctx, r.Lease, api.AdoptRequest{
			Node: h.config.Node, Incarnation: h.config.Incarnation, Generation: r.Generation,
		})
		if err == nil || !undecided(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// undecided reports whether the cluster may give another answer to the same request.
func undecided(err error) bool {
	for _, retry := range []error{api.ErrUnavailable, api.ErrNoQuorum, api.ErrUnknown, api.ErrInternal, context.DeadlineExceeded} {
		if errors.Is(err, retry) {
			return true
		}
	}
	return false
}

// lossOf is the reason for which a ring is sealed that could not be adopted because of err.
func lossOf(err error) error {
	for _, reason := range []error{lease.ErrExpired, lease.ErrRevoked} {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return fabric.ErrSealed
}
