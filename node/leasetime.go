package node

import (
	"context"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/registry"
)

// leaseTime ties the keeper of lease time to the registry: what the keeper wants in the log, and what the log did.
type leaseTime struct {
	registry *registry.Registry
	told     mark // the last entry that the keeper has been told of
}

// Confirm is a quorum round. The registry shows a state before it calls its hooks, so it is followed by a wait until the
// keeper has been told as much as the round covers.
func (t *leaseTime) Confirm(ctx context.Context, term uint64) error {
	if err := t.registry.Read(ctx, api.Default); err != nil {
		return err
	}
	if now := t.registry.Term(); now != term {
		return fmt.Errorf("term %d, not %d any more: %w", now, term, api.ErrNoQuorum)
	}
	return t.told.wait(ctx, uint64(t.registry.State().Revision()))
}

// ProposeAllowance puts an allowance into the log.
func (t *leaseTime) ProposeAllowance(ctx context.Context, term uint64, seen []leasebroker.Seen) error {
	leases, sessions := marks(seen)
	return t.propose(ctx, registry.Allowance{Term: term, Leases: leases, Sessions: sessions})
}

// ProposeExpire puts an expiry into the log.
func (t *leaseTime) ProposeExpire(ctx context.Context, term uint64, seen []leasebroker.Seen) error {
	leases, sessions := marks(seen)
	return t.propose(ctx, registry.Expire{Term: term, Leases: leases, Sessions: sessions})
}

// propose returns nil for a refusal by the state machine: the entry is in the log and did nothing, which is what its
// conditions are for.
func (t *leaseTime) propose(ctx context.Context, c registry.Command) error {
	result, err := t.registry.Apply(ctx, c)
	if result.Err != nil {
		return nil
	}
	return err
}

func marks(seen []leasebroker.Seen) (leases []registry.Mark[lease.ID], sessions []registry.Mark[lease.SessionID]) {
	for _, s := range seen {
		if s.Key.Lease != "" {
			leases = append(leases, registry.Mark[lease.ID]{ID: s.Key.Lease, Seq: s.Seq})
		} else {
			sessions = append(sessions, registry.Mark[lease.SessionID]{ID: s.Key.Session, Seq: s.Seq})
		}
	}
	return leases, sessions
}

// applied says what one entry did to leases and sessions.
func applied(index, term uint64, c registry.Command, r registry.Result) leasebroker.Applied {
	a := leasebroker.Applied{Index: index, Term: term}
	if r.Err != nil {
		return a
	}
	terms := timed(r.Leases, r.Sessions)
	if _, ok := c.(registry.Allowance); ok {
		a.Allowed = terms
	} else {
		a.Granted = terms // also what was there already: the keeper knows it
	}
	for _, e := range r.Ended {
		// The state remembers an ended ID, not what it was the ID of. IDs are random, so no other can be meant.
		a.Ended = append(a.Ended, leasebroker.Key{Lease: lease.ID(e.ID)}, leasebroker.Key{Session: lease.SessionID(e.ID)})
	}
	return a
}

// snapshot is all that is timed in s.
func snapshot(s *registry.State) leasebroker.Snapshot {
	var leases []registry.Lease
	for l := range s.Leases() {
		leases = append(leases, l)
	}
	var sessions []registry.Session
	for session := range s.Sessions() {
		sessions = append(sessions, session)
	}
	return leasebroker.Snapshot{Index: uint64(s.Revision()), Terms: timed(leases, sessions)}
}

func timed(leases []registry.Lease, sessions []registry.Session) []leasebroker.Timed {
	var out []leasebroker.Timed
	for _, l := range leases {
		out = append(out, leasebroker.Timed{Key: leasebroker.Key{Lease: l.ID}, TTL: l.TTL, Seq: l.Seq})
	}
	for _, s := range sessions {
		out = append(out, leasebroker.Timed{Key: leasebroker.Key{Session: s.ID}, TTL: s.TTL, Seq: s.Seq})
	}
	return out
}

// mark is an index that only rises and can be waited for. The zero mark is at zero.
type mark struct {
	mu    sync.Mutex
	at    uint64
	moved chan struct{} // closed at the next move; nil while nobody waits
}

func (m *mark) move(to uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = max(m.at, to)
	if m.moved != nil {
		close(m.moved)
		m.moved = nil
	}
}

func (m *mark) wait(ctx context.Context, index uint64) error {
	for {
		m.mu.Lock()
		if m.at >= index {
			m.mu.Unlock()
			return nil
		}
		if m.moved == nil {
			m.moved = make(chan struct{})
		}
		moved := m.moved
		m.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
