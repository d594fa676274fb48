package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// Apply proposes c and waits for what becomes of it. Only the leader can. An error that wraps api.ErrNoQuorum means that c was not
// applied and never will be, and so does api.ErrOverloaded, which only clients' writes get; one that wraps api.ErrUnknown that it
// may have been, or may still be; any other is Result.Err, the state machine's refusal.
func (r *Registry) Apply(ctx context.Context, c state.Command) (state.Result, error) {
	if r.readyTerm() == 0 {
		return state.Result{}, r.errNotLeader()
	}
	if err := r.State().Admits(c); err != nil {
		return state.Result{}, err
	}
	if !urgent(c) {
		leave, err := r.admission.enter(ctx)
		if err != nil {
			return state.Result{}, err
		}
		defer leave()
	}
	return r.propose(ctx, c)
}

// propose is Apply for a leader that need not have committed its barrier yet.
func (r *Registry) propose(ctx context.Context, c state.Command) (state.Result, error) {
	b, err := state.Encode(c, r.cfg.Now().UnixNano())
	if err != nil {
		return state.Result{}, err
	}
	if ctx.Err() != nil {
		return state.Result{}, fmt.Errorf("%w: %w", api.ErrNoQuorum, context.Cause(ctx))
	}
	future := r.raft.Apply(b, r.enqueueTimeout(ctx))
	if err := r.await(ctx, future); err != nil {
		return state.Result{}, r.outcome(err)
	}
	r.transfer.over()
	result := future.Response().(state.Result)
	return result, result.Err
}

// enqueueTimeout bounds the wait for a place in raft's queue. With batching, raft counts it only until then.
func (r *Registry) enqueueTimeout(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return max(time.Millisecond, min(r.cfg.Election, time.Until(deadline)))
	}
	return r.cfg.Election
}

// await waits for a future of raft or for ctx. A goroutine that it leaves behind ends with the future; see pending.
func (r *Registry) await(ctx context.Context, future raft.Future) error {
	if !r.pending.begin() {
		return ErrClosed
	}
	done := make(chan error, 1)
	go func() {
		defer r.pending.end()
		done <- future.Error()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// pending counts the futures that are waited for. Raft answers each of them as long as it runs, at the latest when it loses
// leadership, but forgets those that are still in its queues when it is shut down: they would be waited for for ever. So
// nothing is begun any more once the registry closes, and raft is shut down when all is answered.
type pending struct {
	mu     sync.Mutex
	n      int
	closed bool
	none   chan struct{} // made by drain, closed when n is 0
}

func (p *pending) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.n++
	}
	return !p.closed
}

func (p *pending) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n--; p.n == 0 && p.closed {
		close(p.none)
	}
}

// drain waits until nothing is pending, but no longer than limit: a raft whose disk hangs answers nothing. Called once.
func (p *pending) drain(limit time.Duration) {
	p.mu.Lock()
	p.closed, p.none = true, make(chan struct{})
	if p.n == 0 {
		close(p.none)
	}
	p.mu.Unlock()
	select {
	case <-p.none:
	case <-time.After(limit):
	}
}

// outcome turns raft's error for a proposal into one of the two that callers know. Unless raft says that it never took the
// entry in, nobody knows.
func (r *Registry) outcome(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader):
		return fmt.Errorf("%w (%w)", r.errNotLeader(), err)
	case errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", api.ErrNoQuorum, err)
	case errors.Is(err, raft.ErrLeadershipTransferInProgress):
		if r.transfer.stuck(3 * r.cfg.Election) {
			r.giveUp(fmt.Errorf("leadership has been in transfer for over %v and is still here", 3*r.cfg.Election))
		}
		return fmt.Errorf("%w: %w", api.ErrNoQuorum, err)
	default:
		return fmt.Errorf("%w: %w", api.ErrUnknown, err)
	}
}

// transferWatch notices hashicorp/raft#696: a transfer that was interrupted can leave a later leader refusing every write.
type transferWatch struct {
	mu    sync.Mutex
	since time.Time // first refusal since the last write that was taken
}

func (t *transferWatch) stuck(limit time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		t.since = time.Now()
	}
	return time.Since(t.since) > limit
}

func (t *transferWatch) over() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since = time.Time{}
}
