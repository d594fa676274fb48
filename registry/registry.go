package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/internal/raftguard"
	"github.com/grafnode/grafnode/registry/internal/rounds"
	"github.com/grafnode/grafnode/registry/state"
)

// ErrClosed says that the registry is not open.
var ErrClosed = errors.New("registry is closed")

// Registry is one node's replica of the registry. All methods are safe for concurrent use, after Open.
type Registry struct {
	cfg Config
	log *slog.Logger

	hub       *hub
	machine   *machine
	onApply   hooks[func(index, term uint64, c state.Command, r state.Result)]
	onRestore hooks[func(*state.State)]

	files
	transport *raftguard.Transport
	raft      *raft.Raft

	notify    chan bool     // raft's word on leadership; read by leadLoop alone
	ready     atomic.Uint64 // term in which this node leads and has applied its barrier, else 0; stored by leadLoop's goroutines
	leaders   leaders
	barriers  *rounds.Rounds[none] // strict reads
	quorums   *rounds.Rounds[none] // default reads
	transfer  transferWatch
	admission *admission
	changing  chan struct{} // capacity 1: held while the group is changed
	pending   pending

	opened  time.Time
	life    context.Context // ends when Close begins
	end     context.CancelCauseFunc
	running sync.WaitGroup
	fatal   sync.Once
	closing sync.Once
	closed  error
}

// New makes a registry that holds the empty state. It opens no file and starts nothing.
func New(cfg Config) (*Registry, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Registry{
		cfg: cfg, log: cfg.Logger.With("room", "registry"), hub: newHub(cfg.WatchChanges, cfg.WatchBytes), notify: make(chan bool, 8), changing: make(chan struct{}, 1),
		admission: newAdmission(),
	}
	r.life, r.end = context.WithCancelCause(context.Background())
	r.barriers, r.quorums = rounds.New(r.life, r.barrier), rounds.New(r.life, r.quorum)
	r.machine = &machine{
		hub: r.hub, logger: r.log, fatal: r.giveUp, state: state.New(),
		applied: func(index, term uint64, c state.Command, result state.Result) {
			for _, f := range r.onApply.all() {
				f(index, term, c, result)
			}
		},
		fresh: func(s *state.State) {
			for _, f := range r.onRestore.all() {
				f(s)
			}
		},
		told: func(index, term uint64) { r.transport.Committed(index, term) },
	}
	return r, nil
}

// Open opens the files, restores the last snapshot, replays the log as far as it is known to be committed, and starts to take
// part in the cluster, if the node is part of one. Call it once; after an error, Close.
func (r *Registry) Open() error {
	if err := r.open(); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	r.opened = time.Now()
	r.running.Go(r.leadLoop)
	if r.alone() {
		r.running.Go(r.stand)
	}
	r.running.Go(func() { r.hub.ring(r.life) })
	r.running.Go(func() { r.hub.gone.watch(r.life, r.cfg.Election, r.cfg.raft().LeaderLeaseTimeout, r.contact) })
	return nil
}

func (r *Registry) open() (err error) {
	r.files, err = openFiles(r.cfg.DataDir, r.cfg.LogStore, r.cfg.DiskStall, r.giveUp, r.log)
	if err != nil {
		return err
	}
	if err := r.checkMarks(); err != nil {
		return err
	}
	r.transport = r.openTransport()
	log := &leaderLog{Store: r.store, storing: r.transport.Storing}
	logs, err := raft.NewLogCache(512, log)
	if err != nil {
		return err
	}
	rc := r.cfg.raft()
	rc.NotifyCh = r.notify
	rc.Logger = raftguard.Logger(r.log)
	r.raft, err = raft.NewRaft(rc, r.machine, logs, r.store, r.snapshots, r.transport)
	if err == nil {
		r.transport.Attend(r.view)
		log.raft.Store(r.raft)
	}
	return err
}

// leaderLog is the log store as raft sees it. A leader's entries are on their way to the followers while it stores them.
type leaderLog struct {
	*raftguard.Store
	storing func([]*raft.Log)
	raft    atomic.Pointer[raft.Raft] // stored by open; loaded by raft's own goroutine, which may be there before
}

// StoreLogs is called by raft's main goroutine, which is also the only one that makes a leader or a follower of this node.
func (l *leaderLog) StoreLogs(entries []*raft.Log) error {
	if r := l.raft.Load(); r != nil && r.State() == raft.Leader {
		l.storing(entries)
	}
	return l.Store.StoreLogs(entries)
}

// Close stops taking part and waits for everything that Open or a call has started. Idempotent.
func (r *Registry) Close() error {
	r.closing.Do(func() { r.closed = r.close() })
	return r.closed
}

func (r *Registry) close() error {
	r.end(ErrClosed)
	var errs []error
	if r.raft != nil {
		r.pending.drain(2 * r.cfg.Election)
		errs = append(errs, r.raft.Shutdown().Error()) // closes the transport, and that the layer
	} else if r.transport != nil {
		errs = append(errs, r.transport.Close())
	} else {
		errs = append(errs, r.cfg.Layer.Close())
	}
	r.running.Wait()
	r.barriers.Close()
	r.quorums.Close()
	r.leaders.close()
	if r.store != nil {
		errs = append(errs, r.store.Close()) // last: raft's goroutines write to it until they are gone
	}
	return errors.Join(errs...)
}

// giveUp reports that this node must not go on. Its connections end at once: a leader whose disk hangs would go on heartbeating, and
// nobody else would be elected (hashicorp/raft#503).
func (r *Registry) giveUp(err error) {
	r.fatal.Do(func() {
		r.log.Error("registry gives up", "error", err)
		if r.transport != nil {
			_ = r.transport.Cut() // the first error counts
		}
		r.cfg.Fatal(err)
	})
}

// State returns the present state. It never blocks.
func (r *Registry) State() *state.State { return r.hub.view.Load().state }

// OnApply adds a hook that is called for each command, applied or refused, in log order, after State shows it and before Apply
// returns. On a restart it is called again for what is replayed. It runs on the apply goroutine and must not block. Add
// hooks before Open.
func (r *Registry) OnApply(f func(index, term uint64, c state.Command, result state.Result)) {
	r.onApply.add(f)
}

// OnRestore adds a hook that is called when the state was replaced by a snapshot. As for OnApply.
func (r *Registry) OnRestore(f func(*state.State)) { r.onRestore.add(f) }

type hooks[F any] struct {
	mu sync.Mutex
	fs []F
}

func (h *hooks[F]) add(f F) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fs = append(h.fs[:len(h.fs):len(h.fs)], f)
}

func (h *hooks[F]) all() []F {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fs
}

// Peer is a node as Raft knows it.
type Peer struct {
	ID      locator.NodeID
	Address string
}

// Stats is a reading of Raft's own numbers.
type Stats struct {
	State       string // leader, follower, candidate, shutdown
	Ready       bool   // leads, and has applied its barrier
	Term        uint64
	LastIndex   uint64
	CommitIndex uint64
	Applied     uint64
	Revision    api.Revision
	Voters      int
	Leader      Peer
	LastContact time.Duration // since the leader was last heard of, or since Open; zero on the leader
	Disk        DiskStats
	Failover    FailoverStats
	Waiting     int    // clients' writes that wait for their turn at this leader
	Refused     uint64 // clients' writes that got none
}

// FailoverStats counts leaders that were lost, and the elections for which this node stood because of it.
type FailoverStats = raftguard.FailoverStats

// DiskStats counts the writes of Raft's log and votes.
type DiskStats = raftguard.WriteStats
