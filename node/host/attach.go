package host

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// asks notes that an attach is under way, until done is called. ctx ends when the session gives it up.
func (s *session) asks(m *api.Attach) (ctx context.Context, done func()) {
	ctx, giveUp := context.WithCancel(s.ctx)
	s.h.mu.Lock()
	defer s.h.mu.Unlock()
	s.asking[m] = giveUp
	return ctx, func() {
		s.h.mu.Lock()
		defer s.h.mu.Unlock()
		delete(s.asking, m)
		giveUp()
	}
}

// detach takes back one side, or what was asked to become it: a stage that has given an attach up does not know how far that had come.
func (s *session) detach(m api.Detach) {
	s.h.mu.Lock()
	for asked, giveUp := range s.asking {
		if asked.Arena == m.Arena && asked.Role == m.Role {
			giveUp() // before the side is looked for: from now on it is not taken
		}
	}
	s.h.mu.Unlock()
	s.h.detach(s.id, m.Arena, m.Role)
}

// attach answers Attach with the descriptors of one side.
func (s *session) attach(ctx context.Context, seq uint64, m api.Attach) error {
	a, err := s.h.attach(ctx, want{
		edge: m.Edge, generation: m.Generation, arena: m.Arena, role: m.Role, session: s.id, revision: m.Revision, local: true,
	})
	if err != nil {
		return refusal(err)
	}
	files, err := s.grant(a, m.Role)
	if err != nil {
		s.h.detach(s.id, m.Arena, m.Role)
		return refusal(err)
	}
	defer files.Close()
	// If the stage does not get them, its connection is broken and everything that it has attached is released.
	return s.answer(seq, api.SessionMessage{Attached: &api.Attached{Capacity: int(a.ring.Capacity)}}, files.List()...)
}

func (s *session) grant(a *arena, role fabric.Role) (shm.Files, error) {
	if a.shared == nil {
		return shm.Files{}, fmt.Errorf("%v: shared memory: %w", a.ring, fabric.ErrUnsupported)
	}
	return a.shared.Grant(role)
}

// mapped answers Mapped with the other side's part, once that one is mapped and sealed too.
func (s *session) mapped(seq uint64, m api.Mapped) error {
	a, err := s.h.attached(s.id, m.Arena, m.Role)
	if err != nil {
		return err
	}
	if err := a.shared.Mapped(m.Role); err != nil {
		return refusal(err)
	}
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	stop := context.AfterFunc(a.ctx, func() { cancel(a.reason()) })
	defer stop()
	if err := a.shared.WaitMapped(ctx, opposite(m.Role)); err != nil {
		return refusal(err)
	}
	part, err := a.shared.PeerFile(m.Role)
	if err != nil {
		return refusal(err)
	}
	defer part.Close()
	return s.answer(seq, api.SessionMessage{Peer: &api.Peer{}}, part)
}

// attached returns a ring that a session has one side of mapped.
func (h *Host) attached(id lease.SessionID, arena locator.ArenaID, role fabric.Role) (*arena, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := h.arenas[arena]
	if a == nil || a.shared == nil || a.sides[role] != (side{session: id, local: true}) {
		return nil, api.Errorf(api.KindConflict, "session %s has not attached the %s of arena %s", id, role, arena)
	}
	return a, nil
}

func opposite(role fabric.Role) fabric.Role {
	if role == fabric.RoleProducer {
		return fabric.RoleConsumer
	}
	return fabric.RoleProducer
}

// refusal is err as it crosses the session socket. What has no kind of its own means that this ring will not do and the
// record should be read again.
func refusal(err error) error {
	if e := api.ErrorOf(err); e.Kind != api.KindInternal {
		return e
	}
	if fabric.Lost(err) {
		return api.Errorf(api.KindConflict, "%v", err)
	}
	return err
}
