package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
)

// Read waits until State is as fresh as asked for; api.ErrNoQuorum if that cannot be had here. Stale: whatever is there.
// Default: the leader's state, after a majority has confirmed that it still leads; linearizable unless this process is
// stopped for longer than the leader's lease between question and answer. Strict: behind an entry in the log, linearizable
// whatever stops. Both run once for all readers who are waiting.
func (r *Registry) Read(ctx context.Context, c api.Consistency) error {
	switch c {
	case api.Stale:
		return nil
	case api.Default, "":
		return r.read(ctx, &r.quorums)
	case api.Strict:
		return r.read(ctx, &r.barriers)
	default:
		return fmt.Errorf("consistency %q, must be %q, %q or %q: %w", c, api.Stale, api.Default, api.Strict, api.ErrInvalid)
	}
}

// VerifyLeader returns nil if this node led at some moment after the call, as a majority confirmed.
func (r *Registry) VerifyLeader(ctx context.Context) error { return r.read(ctx, &r.quorums) }

// read joins a round. A read has no effect, so whatever goes wrong, it was "not applied".
func (r *Registry) read(ctx context.Context, rs *rounds) error {
	if r.readyTerm() == 0 {
		return r.errNotLeader()
	}
	if err := rs.join(ctx, r.life); err != nil {
		return fmt.Errorf("%w: %v", api.ErrNoQuorum, err)
	}
	return nil
}

// barrier is a round of strict reads: what is applied before an entry that was proposed after the question is in the answer.
func (r *Registry) barrier(ctx context.Context) error {
	ctx, cancel := r.roundTimeout(ctx)
	defer cancel()
	_, err := r.Apply(ctx, Nothing{})
	return err
}

// quorum is a round of default reads. The order matters: a ready leader's commit index, then a majority's word, then the
// same term, then that index applied.
func (r *Registry) quorum(ctx context.Context) error {
	ctx, cancel := r.roundTimeout(ctx)
	defer cancel()
	term := r.readyTerm()
	if term == 0 {
		return r.errNotLeader()
	}
	// Every entry from the barrier on is one that the machine sees, so that it will reach this index.
	index := r.raft.CommitIndex()
	if err := r.await(ctx, r.raft.VerifyLeader()); err != nil {
		return err
	}
	if r.readyTerm() != term {
		return r.errNotLeader()
	}
	return r.hub.wait(ctx, index)
}

// roundTimeout bounds a round: a leader that cannot finish one in that time has lost its majority and will find out.
func (r *Registry) roundTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 5*(r.cfg.Heartbeat+r.cfg.Election))
}

// WaitApplied waits until State is at revision or above.
func (r *Registry) WaitApplied(ctx context.Context, revision api.Revision) error {
	ctx, cancel := r.untilClosed(ctx)
	defer cancel()
	if err := r.hub.wait(ctx, uint64(revision)); err != nil {
		return fmt.Errorf("revision %d is not here yet, %d is: %w: %w", revision, r.State().Revision(), api.ErrUnavailable, err)
	}
	return nil
}

// untilClosed returns a context that also ends when the registry closes.
func (r *Registry) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// silence returns how long this node has known of no leader.
func (r *Registry) silence() time.Duration {
	if r.readyTerm() != 0 {
		return 0
	}
	since := r.opened
	if last := r.raft.LastContact(); last.After(since) {
		since = last
	}
	return time.Since(since)
}
