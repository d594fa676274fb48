package host

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// attachTimeout bounds how long an attach waits for the state, for the first deadline and for memory. Meanwhile the edge
// waits; after it, the edge takes a ring elsewhere.
const attachTimeout = 5 * time.Second

// want is a side of a ring, and who wants it.
type want struct {
	edge       string
	generation fence.Epoch
	arena      locator.ArenaID
	role       fabric.Role
	session    lease.SessionID
	revision   api.Revision
	local      bool // the session is the one that asks, over its own connection; else it has shown its token
}

// reconcileArenas brings the arenas in line with the state: rings whose lease is gone are sealed. A ring gets an entry, and asks
// for its first deadline, when somebody attaches to it: most are overtaken before anybody has, where an edge moves often, and
// the state may grant very many.
func (h *Host) reconcileArenas() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id, a := range h.arenas {
		if _, status := h.config.State.Ring(id); status != lease.Active {
			h.endLocked(a, sealReason(status))
		}
	}
}

func (h *Host) addLocked(r Ring) *arena {
	a := newArena(r)
	h.arenas[r.Arena()] = a
	signal(h.soon)
	return a
}

// renewableLocked reports whether a ring's lease is to be renewed: it waits for its first deadline, or a session that has
// not ended uses it. A stopped process keeps its memory but not the lease.
func (h *Host) renewableLocked(a *arena) bool {
	if a.reason() != nil || a.adopting {
		return false
	}
	for _, side := range a.sides {
		if s := h.sessions[side.session]; !side.local || s != nil && !s.lost {
			return true
		}
	}
	return a.deadline == 0
}

// endLocked seals a ring for reason and lets go of it. The first reason stands.
func (h *Host) endLocked(a *arena, reason error) {
	if a.ctx.Err() == nil {
		a.end(reason)
		if a.mem != nil {
			a.mem.Seal(reason)
			h.log.Info("ring sealed", "edge", a.ring.Edge, "generation", a.ring.Generation, "reason", reason)
		}
	}
	h.dropLocked(a)
}

// releaseLocked notes that nobody has that side attached any more. A side is attached once in its life, so that a spare which one side has
// left is of no use to the other: it ends, which tells the other at once, and not when it has moved there in vain.
func (h *Host) releaseLocked(a *arena, role fabric.Role) {
	delete(a.sides, role)
	if r, status := h.config.State.Ring(a.ring.Arena()); status == lease.Active && r.Spare && h.ctx.Err() == nil {
		h.endLocked(a, fmt.Errorf("its %s has left the spare: %w", role, fabric.ErrSealed))
		return
	}
	h.dropLocked(a)
}

// dropLocked lets go of what is left of a sealed ring: of its memory once no data connection uses it, of its bytes in the
// account once no process has it mapped. Its entry stays for as long as the state grants the ring, or it would be made anew,
// and a generation have two memories.
func (h *Host) dropLocked(a *arena) {
	if a.ctx.Err() == nil {
		return
	}
	if a.mem != nil && !a.closed && !a.remote() {
		a.closed = true
		if err := a.mem.Close(); err != nil {
			h.log.Error("close ring", "edge", a.ring.Edge, "generation", a.ring.Generation, "err", err)
		}
	}
	if len(a.sides) > 0 {
		return
	}
	h.unreserveLocked(a)
	if _, status := h.config.State.Ring(a.ring.Arena()); status != lease.Active {
		delete(h.arenas, a.ring.Arena())
	}
}

// attach gives a session one side of a ring, once the state says that it may have it. The caller releases it, by
// releaseLocked or detach.
func (h *Host) attach(ctx context.Context, w want) (*arena, error) {
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	if err := h.waitApplied(ctx, w.revision); err != nil {
		return nil, err
	}
	r, err := h.check(w)
	if err != nil {
		return nil, err
	}
	if r.Incarnation != h.config.Incarnation {
		return nil, api.Errorf(api.KindConflict, "%v did not survive the restart of its node", r)
	}
	h.mu.Lock()
	a := h.arenas[w.arena]
	if a == nil {
		a = h.addLocked(r)
		h.Applied() // the lease may have ended since check
	}
	h.mu.Unlock()
	if err := h.build(a); err != nil { // while its first deadline is on its way, before which nobody gets to see it
		return nil, err
	}
	select {
	case <-a.ready:
	case <-a.ctx.Done():
		return nil, a.reason()
	case <-ctx.Done():
		return nil, api.Errorf(api.KindUnavailable, "%v: its lease was not confirmed in time", r)
	}
	return a, h.take(ctx, a, w)
}

func (h *Host) waitApplied(ctx context.Context, r api.Revision) error {
	if err := h.config.State.WaitApplied(ctx, r); err != nil {
		return api.Errorf(api.KindUnavailable, "this node has not applied revision %d: %v", r, err)
	}
	return nil
}

// check returns the ring that w is a side of, if the state gives that side to w's session.
func (h *Host) check(w want) (Ring, error) {
	if session, ok := h.config.State.Session(w.session); ok && !session.may(w.edge) {
		return Ring{}, api.Errorf(api.KindForbidden, "session %s has not the right %q to edge %s", w.session, api.RightCAS, w.edge)
	}
	r, status := h.config.State.Ring(w.arena)
	if status != lease.Active {
		return r, fmt.Errorf("arena %s of edge %s: %w", w.arena, w.edge, sealReason(status))
	}
	if r.Edge != w.edge || r.Generation != w.generation {
		return r, api.Errorf(api.KindConflict, "arena %s is the %v, not generation %d of edge %s", w.arena, r, w.generation, w.edge)
	}
	holder, err := r.side(w.role)
	if err != nil {
		return r, err
	}
	if holder.Session != w.session {
		return r, api.Errorf(api.KindConflict, "%v: its %s is session %q, not %q", r, w.role, holder.Session, w.session)
	}
	return r, nil
}

// build makes a ring's memory if there is none yet and there is room.
func (h *Host) build(a *arena) error {
	a.build.Lock()
	defer a.build.Unlock()
	deadline, made, err := h.reserve(a)
	if made || err != nil {
		return err
	}
	mem, shared, err := newMemory(a.ring.config(deadline))
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		h.unreserveLocked(a)
		return fmt.Errorf("%v: %w: %w", a.ring, api.ErrNoRoom, err)
	}
	h.log.Info("ring made", "edge", a.ring.Edge, "generation", a.ring.Generation, "bytes", a.ring.Bytes())
	h.installLocked(a, mem, shared)
	return a.reason()
}

// reserve counts a ring's bytes, unless it has memory already.
func (h *Host) reserve(a *arena) (deadline lease.Instant, made bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case a.ctx.Err() != nil:
		return 0, false, a.reason()
	case h.draining:
		return 0, false, api.Errorf(api.KindUnavailable, "%v: the node is going away", a.ring)
	case a.mem != nil:
		return 0, true, nil
	case h.used+a.ring.Bytes() > h.limits.Memory:
		return 0, false, api.Errorf(api.KindNoRoom, "%v needs %d bytes; %d of %d are in use or still mapped by sessions that have ended",
			a.ring, a.ring.Bytes(), h.used, h.limits.Memory)
	}
	h.used += a.ring.Bytes()
	a.reserved = true
	return a.deadline, false, nil
}

func (h *Host) unreserveLocked(a *arena) {
	if a.reserved {
		a.reserved = false
		h.used -= a.ring.Bytes()
	}
}

// installLocked gives a ring its memory. If the ring has ended meanwhile the memory is sealed and let go of at once.
func (h *Host) installLocked(a *arena, mem fabric.Arena, shared *shm.Arena) {
	a.mem, a.shared = mem, shared
	if a.deadline != 0 {
		mem.SetDeadline(a.deadline) // it may have moved meanwhile
	}
	if reason := a.reason(); reason != nil {
		mem.Seal(reason)
		h.dropLocked(a)
	}
}

// take notes that w's session has its side attached, if it still wants it.
func (h *Host) take(ctx context.Context, a *arena, w want) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if reason := a.reason(); reason != nil {
		return reason
	}
	if s, here := h.sessions[w.session]; w.local && (!here || s.lost) {
		return api.Errorf(api.KindSession, "session %s has ended", w.session)
	}
	if _, taken := a.sides[w.role]; taken {
		return fmt.Errorf("%v: %s: %w", a.ring, w.role, fabric.ErrTaken)
	}
	a.sides[w.role] = side{session: w.session, local: w.local}
	h.log.Debug("ring attached", "edge", w.edge, "generation", w.generation, "role", w.role, "session", w.session)
	if a.stale(h.now()) {
		signal(h.soon) // it has lain unrenewed for as long as nobody used it
	}
	return nil
}

// detach notes that a session has let go of a side. A side that it does not have is no error: the ring may be long gone.
func (h *Host) detach(id lease.SessionID, arena locator.ArenaID, role fabric.Role) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if a := h.arenas[arena]; a != nil && a.sides[role].session == id {
		h.releaseLocked(a, role)
	}
}
