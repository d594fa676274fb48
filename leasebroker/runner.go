package leasebroker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

// Registry is what a Runner needs of the node's registry. Calls block until done or until ctx ends, which it does with
// the leadership. Proposals of a kind come one at a time and must take effect in that order: one that has returned is in
// the log before the next, or never will be.
type Registry interface {
	// Confirm returns nil if a quorum, asked after the call began, took this node for the leader of term, and if all that
	// was committed before the call has been applied here and passed to Runner.Applied.
	Confirm(ctx context.Context, term uint64) error

	// ProposeAllowance appends an entry that counts up the allowance sequence of each of seen that is still at the sequence
	// given, provided that the entry's own Raft term is term; in any other it does nothing. It returns nil, or
	// api.ErrConflict if it did nothing, once the entry has been applied here and passed to Runner.Applied; api.ErrNoQuorum if
	// it is not and never will be in the log; any other error if that is not known.
	ProposeAllowance(ctx context.Context, term uint64, seen []Seen) error

	// ProposeExpire appends an entry that ends each of seen, with the same conditions and errors.
	ProposeExpire(ctx context.Context, term uint64, seen []Seen) error
}

// Config is what a Runner needs.
type Config struct {
	Registry Registry
	Now      func() lease.Instant // the node's CLOCK_BOOTTIME; safe for concurrent use
	Logger   *slog.Logger         // nil: slog.Default()
}

// Validate reports what is missing.
func (c Config) Validate() error {
	switch {
	case c.Registry == nil:
		return errors.New("leasebroker: no registry")
	case c.Now == nil:
		return errors.New("leasebroker: no clock")
	}
	return nil
}

// Stats counts what a Runner has done since it was made.
type Stats struct {
	Leading    uint64 // Raft term; zero: follows
	Timed      int    // leases and sessions known
	Renewals   uint64 // requests answered
	Refused    uint64 // requests refused: not the leader, or not confirmed
	Rounds     uint64 // quorum rounds begun
	Allowances uint64 // entries proposed
	Expiries   uint64 // entries proposed
}

// Runner drives a Keeper with the node's clock and registry. All methods are safe for concurrent use.
//
// A mutex around the keeper, not a goroutine with a queue: Applied is called by the state machine, which must neither
// wait for the network nor be let ahead by an unbounded queue. No step does I/O; what blocks runs in goroutines of its own,
// at most one of each kind.
type Runner struct {
	cfg Config

	mu      sync.Mutex
	keeper  *Keeper
	ticket  Ticket
	answers map[Ticket]chan Answer // capacity 1 each; removed by whoever answers or gives up first
	stats   Stats
	lead    context.Context // ends with the leadership
	resign  context.CancelFunc
	opened  bool
	closed  bool

	wake  chan struct{} // capacity 1: the keeper's next instant may have changed
	stop  chan struct{}
	tasks sync.WaitGroup
}

// New returns a runner that follows. Applied and Lead may be called before Open.
func New(cfg Config) (*Runner, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Runner{
		cfg: cfg, keeper: NewKeeper(), answers: make(map[Ticket]chan Answer), resign: func() {},
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}, nil
}

// Open starts the clock, once.
func (r *Runner) Open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened || r.closed {
		return errors.New("leasebroker: a runner is opened once")
	}
	r.opened = true
	r.tasks.Go(r.tick)
	return nil
}

// Close refuses what is waiting and returns when nothing of the runner runs any more. It may be called again.
func (r *Runner) Close() error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		r.followLocked()
		close(r.stop)
	}
	r.mu.Unlock()
	r.tasks.Wait()
	return nil
}

// Lead starts the leader's work in a Raft term. To be called once the leader's barrier has been applied. present returns the state as of
// the call; it must not wait for what is being applied.
func (r *Runner) Lead(term uint64, present func() Snapshot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	s := present() // under the lock: one from before a restore would come before Restored
	r.resign()
	r.lead, r.resign = context.WithCancel(context.Background())
	r.cfg.Logger.Info("keeping lease time", "term", term, "timed", len(s.Terms))
	r.performLocked(r.keeper.BecameLeader(term, s, r.cfg.Now()))
}

// Follow ends the leader's work.
func (r *Runner) Follow() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followLocked()
}

func (r *Runner) followLocked() {
	r.resign()
	r.performLocked(r.keeper.LostLeadership())
}

// Restored ends the leader's work when a snapshot has replaced the state. The registry's state machine calls it once the new state can be
// seen; whoever leads is to call Lead again.
func (r *Runner) Restored() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resign()
	r.performLocked(r.keeper.Restored())
}

// Applied notes what a log entry did, as of now: a.At is overwritten. The registry's state machine calls it for each entry,
// in order, on leader and follower alike. It does not block on anything but another step.
func (r *Runner) Applied(a Applied) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.At = r.cfg.Now()
	before, _ := r.keeper.Next()
	r.keeper.Applied(a)
	if after, _ := r.keeper.Next(); after < before {
		r.signal()
	}
}

// Renew confirms a node's renewal, or fails with api.ErrNoQuorum if this node does not lead or cannot confirm that it does.
// It blocks for a quorum round, sometimes also for an entry in the log. Whether the leases are that node's is for the
// caller to check; what has ended is for the caller to add.
func (r *Runner) Renew(ctx context.Context, q api.RenewRequest) (api.RenewResponse, error) {
	keys := make([]Key, 0, len(q.Leases)+len(q.Sessions))
	for _, id := range q.Leases {
		keys = append(keys, Key{Lease: id})
	}
	for _, id := range q.Sessions {
		keys = append(keys, Key{Session: id})
	}
	t, answer := r.submit(keys)
	select {
	case a := <-answer:
		if a.Refused {
			return api.RenewResponse{}, fmt.Errorf("leasebroker: renewal of node %s: %w", q.Node, api.ErrNoQuorum)
		}
		return response(a), nil
	case <-ctx.Done():
		r.mu.Lock()
		delete(r.answers, t)
		r.mu.Unlock()
		return api.RenewResponse{}, fmt.Errorf("leasebroker: renewal of node %s: %w", q.Node, context.Cause(ctx))
	}
}

func (r *Runner) submit(keys []Key) (Ticket, <-chan Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ticket++
	answer := make(chan Answer, 1)
	r.answers[r.ticket] = answer
	r.performLocked(r.keeper.Renew(r.ticket, keys, r.cfg.Now()))
	return r.ticket, answer
}

func response(a Answer) api.RenewResponse {
	out := api.RenewResponse{
		Leases: make(map[lease.ID]time.Duration), Sessions: make(map[lease.SessionID]time.Duration),
	}
	for key, d := range a.Granted {
		if key.Lease != "" {
			out.Leases[key.Lease] = d
		} else {
			out.Sessions[key.Session] = d
		}
	}
	return out
}

// Stats returns the counters.
func (r *Runner) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.Leading, s.Timed = r.keeper.Leading(), r.keeper.Len()
	return s
}
