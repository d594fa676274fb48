package registry

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/registry/internal/rounds"
	"github.com/grafnode/grafnode/registry/state"
)

// Read waits until State is as fresh as asked for; api.ErrNoQuorum if that cannot be had here. Stale: whatever is there.
// Default: the leader's state, after a majority has confirmed that it still leads. Strict: behind an entry in the log. Both
// are linearizable, whatever stops or jumps, and both run once for all readers who are waiting. Strict rests on nothing but the log,
// at the price of a write.
func (r *Registry) Read(ctx context.Context, c api.Consistency) error {
	switch c {
	case api.Stale:
		return nil
	case api.Default, "":
		if planted.StaleRead {
			return nil
		}
		return r.read(ctx, r.quorums)
	case api.Strict:
		return r.read(ctx, r.barriers)
	default:
		return fmt.Errorf("consistency %q, must be %q, %q or %q: %w", c, api.Stale, api.Default, api.Strict, api.ErrInvalid)
	}
}

// none is the answer of a round that has none.
type none = struct{}

// VerifyLeader returns nil if this node still led when it was called, as a majority has confirmed since.
func (r *Registry) VerifyLeader(ctx context.Context) error { return r.read(ctx, r.quorums) }

// read joins a round. A read has no effect, so whatever goes wrong, it was "not applied".
func (r *Registry) read(ctx context.Context, rs *rounds.Rounds[none]) error {
	if r.readyTerm() == 0 {
		return r.errNotLeader()
	}
	if _, err := rs.Join(ctx); err != nil {
		return fmt.Errorf("%w: %w", api.ErrNoQuorum, err)
	}
	return nil
}

// barrier is a round of strict reads: what is applied before an entry that was proposed after the question is in the answer.
func (r *Registry) barrier(ctx context.Context) (none, error) {
	ctx, cancel := r.roundTimeout(ctx)
	defer cancel()
	_, err := r.Apply(ctx, state.Nothing{})
	return none{}, err
}

// quorum is a round of default reads. The order matters: a ready leader's commit index, then a majority's word, then the
// same term, then that index applied.
func (r *Registry) quorum(ctx context.Context) (none, error) {
	ctx, cancel := r.roundTimeout(ctx)
	defer cancel()
	term := r.readyTerm()
	if term == 0 {
		return none{}, r.errNotLeader()
	}
	// Every entry from the barrier on is one that the machine sees, so that it will reach this index.
	index := r.raft.CommitIndex()
	voters, err := r.voters()
	if err != nil {
		return none{}, err
	}
	if err := r.transport.Quorum(ctx, term, voters); err != nil {
		return none{}, err
	}
	if r.readyTerm() != term {
		return none{}, r.errNotLeader()
	}
	return none{}, r.hub.wait(ctx, index)
}

// roundTimeout bounds a round: a leader that cannot finish one in that time has lost its majority and will find out.
func (r *Registry) roundTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 5*(r.cfg.Heartbeat+r.cfg.Election))
}

// WaitApplied waits until State is at revision or above.
func (r *Registry) WaitApplied(ctx context.Context, revision api.Revision) error {
	ctx, cancel := r.untilClosed(ctx)
	defer cancel()
	if err := r.hub.until(ctx, func(v *view) bool { return v.state.Revision() >= revision }); err != nil {
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
