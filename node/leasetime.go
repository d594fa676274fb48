package node

import (
	"context"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/node/leaselog"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
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
	return t.told.wait(ctx, t.registry.State().Index())
}

// ProposeAllowance puts an allowance into the log.
func (t *leaseTime) ProposeAllowance(ctx context.Context, term uint64, seen []leasebroker.Seen) error {
	return t.propose(ctx, leaselog.Allowance(term, seen))
}

// ProposeExpire puts an expiry into the log.
func (t *leaseTime) ProposeExpire(ctx context.Context, term uint64, seen []leasebroker.Seen) error {
	return t.propose(ctx, leaselog.Expire(term, seen))
}

// propose returns nil for a refusal by the state machine: the entry is in the log and did nothing, which is what its
// conditions are for.
func (t *leaseTime) propose(ctx context.Context, c state.Command) error {
	result, err := t.registry.Apply(ctx, c)
	if result.Err != nil {
		return nil
	}
	return err
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
