package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/grafnode/grafnode/api/server"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/refusals"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/node/blocks"
	"github.com/grafnode/grafnode/node/group"
	"github.com/grafnode/grafnode/node/host"
	"github.com/grafnode/grafnode/node/local"
	"github.com/grafnode/grafnode/node/traces"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
	"github.com/grafnode/grafnode/transport"
)

// Node is one running node. All methods are safe for concurrent use after Open.
type Node struct {
	cfg Config
	log *slog.Logger
	// refused are those about whom log has had a warning as of a stranger.
	refused *refusals.Handler

	// Opened in this order, and closed in the other; see Open.
	metrics  *prometheus.Registry
	stages   *server.Stages
	dir      *dataDir
	identity papers
	users    atomic.Pointer[local.Users] // stored by Open and Reload, loaded for each connection
	limits   atomic.Pointer[limits]      // stored by New and limit, loaded by serve after it has stored serving, and by tend
	blocks   *blocks.Store
	mux      *transport.Mux
	registry *registry.Registry
	keeper   *leasebroker.Runner
	leader   *leaderLine
	gossip   *membership.Gossip
	api      *server.Server
	split    *host.Split
	http     *http.Server
	promises *promises
	traces   *traces.Exporter // nil: nobody wants them
	silences tcp.Silences     // of processes with rings here
	direct   *rdma.Fabric     // nil: there is no adapter, or it is not to be used
	trusted  rdma.Trusted
	serving  atomic.Pointer[serving] // nil until the node is registered; stored once, by register

	advertised membership.Self // what gossip was last told; tend's own, as the next two
	rules      group.Rules     // by which it looks after the Raft group
	say        saying
	draining   atomic.Bool
	fatal      chan error    // capacity 1
	restored   chan struct{} // capacity 1: the state was replaced by a snapshot
	reloaded   chan struct{} // capacity 1: there may be other limits

	life    context.Context // ends when Close begins
	end     context.CancelFunc
	tasks   sync.WaitGroup
	undo    []func() error // of Open, oldest first
	closing sync.Once
	closed  error
}

// New returns a node that does nothing yet. A setting that cannot be used is a *ConfigError.
func New(c Config) (*Node, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	refused := refusals.New(c.Logger.Handler())
	n := &Node{cfg: c, log: slog.New(refused), refused: refused, metrics: prometheus.NewRegistry(), fatal: make(chan error, 1), restored: make(chan struct{}, 1)}
	n.limits.Store(limitsOf(c))
	n.reloaded = make(chan struct{}, 1)
	n.say.log = n.log
	n.stages = server.NewStages(n.metrics)
	n.stages.OnRewire(n.rewired)
	n.life, n.end = context.WithCancel(context.Background())
	return n, nil
}

// Fatal delivers why the node cannot go on, at most once. The process should end then, without Close: what broke may never let go.
func (n *Node) Fatal() <-chan error { return n.fatal }

func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default: // the first reason is the one
	}
}

// ID returns the node's identity.
func (n *Node) ID() locator.NodeID { return n.dir.id }

// Address returns host:port of the node's port, for peers and clients.
func (n *Node) Address() string { return n.mux.Addr().String() }

// Socket returns the path of the node's Unix socket.
func (n *Node) Socket() string { return n.cfg.Socket }

// Notify tells systemd that the node has been started. It does not wait for a cluster: the first of three nodes would wait
// for the start of the others, and they for its.
func (n *Node) Notify() error {
	return Notify("READY=1\nSTATUS=node " + string(n.dir.id) + " at " + n.Address())
}

// Problems returns why the node is not ready to serve what needs the cluster; nothing if it is. It does not block.
func (n *Node) Problems() []string {
	var problems []string
	if n.draining.Load() {
		problems = append(problems, "the node is going away")
	}
	if _, ok := n.registry.Leader(); !ok {
		problems = append(problems, "no leader is known")
	}
	s := n.serving.Load()
	if s == nil {
		problems = append(problems, "the leader has not registered this node yet")
	} else if self, _ := n.registry.State().Node(n.dir.id); self.Incarnation < s.incarnation {
		problems = append(problems, "this node is behind: it has not applied its own registration")
	}
	if problem, ok := n.identity.problem(time.Now()); ok {
		problems = append(problems, problem)
	}
	if len(problems) > 0 { // strangers alone are no reason not to serve
		problems = append(problems, foreigners(n.gossip.Strangers())...)
		problems = append(problems, tooNew(state.Level, n.gossip.Members())...)
	}
	return problems
}

// tooNew names the nodes whose cluster cannot take this one in because it knows too little.
func tooNew(level uint64, members []membership.Member) []string {
	var problems []string
	for _, m := range members {
		if m.Health == membership.Alive && m.Needs > level {
			problems = append(problems, fmt.Sprintf("node %s (%s) holds a state of level %d, this grafnode knows %d: install a newer one here",
				m.ID, m.Address, m.Needs, level))
		}
	}
	return problems
}

// foreigners names the nodes of other clusters that have tried to gossip with this one.
func foreigners(strangers []membership.Member) []string {
	var problems []string
	for _, m := range strangers {
		problems = append(problems, fmt.Sprintf("node %s (%s) gossips with this one but is of cluster %s: check --join, or wipe "+
			"whichever of them was left behind by a recovery", m.ID, m.Address, m.Cluster))
	}
	return problems
}

// addresses returns where other nodes are, alive ones first.
func (n *Node) addresses() []string {
	var alive, rest []string
	for _, m := range n.gossip.Members() {
		switch {
		case m.ID == n.dir.id:
		case m.Health == membership.Alive:
			alive = append(alive, m.Address)
		default:
			rest = append(rest, m.Address)
		}
	}
	return append(alive, rest...)
}

// Close stops the node and waits for all that it has started. What it held stays on the disk, and its rings in the hands of
// those who have them mapped. Idempotent.
func (n *Node) Close() error {
	n.closing.Do(func() {
		n.end()
		var errs []error
		for i := len(n.undo) - 1; i >= 0; i-- {
			errs = append(errs, n.undo[i]())
		}
		n.closed = errors.Join(errs...)
	})
	return n.closed
}

// opened notes how to undo a step of Open.
func (n *Node) opened(undo func() error) { n.undo = append(n.undo, undo) }

// wake says that the state has changed, by c if that is known. It does not block.
func (n *Node) wake(c state.Command) {
	if s := n.serving.Load(); s != nil {
		s.wake(c)
	}
}
