package registry

import (
	"context"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

const (
	// underWayMax bounds the clients' writes that a leader has proposed and not yet answered: two batches of Raft's, enough to
	// keep it busy, few enough that what is urgent waits for no more than these.
	underWayMax = 512
	// waitingMax bounds those that wait for their turn, so that a flood costs memory that is known beforehand.
	waitingMax = 4096
)

// admission lets the clients' writes through in the order in which they came, a bounded number at a time. Without it a flood
// of changes would fill Raft's queue, and an expiry or a revocation would stand at its end (etcd, for one, let leases live on
// under load until its 3.7): so those do not pass here.
type admission struct {
	slots   *semaphore.Weighted // first come, first served
	waiting atomic.Int64        // raised and lowered by enter alone
	refused atomic.Uint64       // raised by enter, read for Stats
}

func newAdmission() *admission { return &admission{slots: semaphore.NewWeighted(underWayMax)} }

// enter waits for a turn. The caller calls leave when it has its answer. api.ErrOverloaded: nothing was proposed.
func (a *admission) enter(ctx context.Context) (leave func(), err error) {
	if a.slots.TryAcquire(1) {
		return a.leave, nil
	}
	defer a.waiting.Add(-1)
	if n := a.waiting.Add(1); n > waitingMax {
		a.refused.Add(1)
		return nil, fmt.Errorf("%d changes wait already: %w", waitingMax, api.ErrOverloaded)
	}
	if err := a.slots.Acquire(ctx, 1); err != nil {
		a.refused.Add(1)
		return nil, fmt.Errorf("no turn among %d changes: %w: %w", underWayMax, api.ErrOverloaded, context.Cause(ctx))
	}
	return a.leave, nil
}

func (a *admission) leave() { a.slots.Release(1) }

// urgent reports whether c goes ahead of clients' writes: what ends terms, what keeps them and what the cluster itself stands
// on. There are few of them, whatever clients do.
func urgent(c state.Command) bool {
	switch c.(type) {
	case state.OpenSession, state.ChangeEdges, state.ChangeSpare, state.DeleteEdge, state.GrantLease, state.ReleaseLease,
		state.PutCheckpoint:
		return false
	default:
		return true
	}
}
