package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node/host"
)

const (
	nodeID   = locator.NodeID("node-1")
	capacity = fabric.CapacityMin
	ttl      = lease.TTLMin
	patience = 30 * time.Second // for what must happen, however slow the machine
)

// cluster is the rest of the cluster in memory: the state that the host reads and the leader that it asks.
type cluster struct {
	patient bool // nodes renew only when asked to

	mu       sync.Mutex
	revision api.Revision
	moved    chan struct{} // closed and replaced when revision rises
	rings    map[locator.ArenaID]host.Ring
	ended    map[locator.ArenaID]lease.Status
	sessions map[lease.SessionID][32]byte
	rules    map[lease.SessionID]api.Rules
	over     map[lease.SessionID]bool
	refuse   error // what the leader answers to everything, if set
	refuseTo error // what it answers to AdoptLease, if set
	forget   error // what it answers to AdoptLease after doing it, if set: the word that it was done got lost
	adopted  int
}

func newCluster() *cluster {
	return &cluster{
		moved: make(chan struct{}), rings: map[locator.ArenaID]host.Ring{}, ended: map[locator.ArenaID]lease.Status{},
		sessions: map[lease.SessionID][32]byte{}, rules: map[lease.SessionID]api.Rules{}, over: map[lease.SessionID]bool{},
	}
}

func (c *cluster) changeLocked() api.Revision {
	c.revision++
	close(c.moved)
	c.moved = make(chan struct{})
	return c.revision
}

func (c *cluster) WaitApplied(ctx context.Context, r api.Revision) error {
	for {
		c.mu.Lock()
		revision, moved := c.revision, c.moved
		c.mu.Unlock()
		if revision >= r {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *cluster) Ring(id locator.ArenaID) (host.Ring, lease.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.rings[id]; ok {
		return r, lease.Active
	}
	if s, ok := c.ended[id]; ok {
		return host.Ring{}, s
	}
	return host.Ring{}, lease.Released
}

func (c *cluster) Session(id lease.SessionID) (host.Session, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum, ok := c.sessions[id]
	return host.Session{TokenSum: sum, Rules: c.rules[id]}, ok
}

func (c *cluster) Edge(name string) bool { return !strings.HasPrefix(name, "no") }

func (c *cluster) Sessions(_ context.Context, r api.SessionRequest) (api.SessionResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return api.SessionResponse{}, c.refuse
	}
	switch {
	case r.Open != nil:
		c.sessions[r.Open.Session] = [32]byte(r.Open.TokenSum)
		c.rules[r.Open.Session] = r.Open.Rules
	case r.Adopt != nil:
		if sum, ok := c.sessions[r.Adopt.Session]; !ok || sum != [32]byte(r.Adopt.TokenSum) {
			return api.SessionResponse{}, api.Errorf(api.KindSession, "no such session, or not yours")
		}
	case r.End != nil:
		delete(c.sessions, r.End.Session)
		c.over[r.End.Session] = true
	}
	return api.SessionResponse{Revision: c.changeLocked()}, nil
}

func (c *cluster) AdoptLease(_ context.Context, id lease.ID, r api.AdoptRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuseTo != nil {
		return c.refuseTo
	}
	ring, ok := c.rings[id.Arena()]
	if !ok {
		return lease.ErrExpired
	}
	c.adopted++
	ring.Incarnation = r.Incarnation
	c.rings[id.Arena()] = ring
	c.changeLocked()
	return c.forget
}

// grant puts a ring between two sessions on the node, and returns its edge's record.
func (c *cluster) grant(edge string, generation fence.Epoch, incarnation uint64, producer, consumer lease.SessionID) api.Edge {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := lease.NewID()
	r := host.Ring{
		Lease: id, Edge: edge, Generation: generation, Capacity: capacity, Incarnation: incarnation,
		Producer: api.Side{Session: producer, Node: nodeID, Epoch: generation},
		Consumer: api.Side{Session: consumer, Node: nodeID, Epoch: generation},
	}
	c.rings[id.Arena()] = r
	return api.Edge{
		Name: edge, Generation: generation, Capacity: capacity, Revision: c.changeLocked(), Producer: r.Producer, Consumer: r.Consumer,
		Locator: locator.Locator{
			Kind: locator.Queue, Node: nodeID, Address: "127.0.0.1:1", Arena: id.Arena(), Generation: generation, Bytes: capacity,
		},
	}
}

func (c *cluster) edit(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.changeLocked()
}

// end ends a ring's lease.
func (c *cluster) end(e api.Edge, status lease.Status) {
	c.edit(func() {
		delete(c.rings, e.Locator.Arena)
		c.ended[e.Locator.Arena] = status
	})
}

// node is a host with its socket, and what package node does for it: renewals, and word of changes.
type node struct {
	*host.Host
	cluster *cluster
	socket  string
	stop    func()

	mu      sync.Mutex
	renewed map[lease.SessionID]int

	renewing sync.Mutex // held for each renewal; before mu
	mute     bool       // there are none
}

func startNode(t *testing.T, c *cluster, socket string, incarnation uint64, change ...func(*host.Config)) *node {
	t.Helper()
	config := host.Config{
		Node: nodeID, Incarnation: incarnation, Cluster: "cluster-1", Zone: "zone-1", Limits: host.Limits{Memory: 64 << 20},
		State: c, Leader: c, Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&config)
	}
	h, err := host.New(config)
	require.NoError(t, err)
	os.Remove(socket)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	require.NoError(t, err)
	split := host.NewSplit(l, config.Logger)
	n := &node{Host: h, cluster: c, socket: socket, renewed: map[lease.SessionID]int{}}
	web := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode([]api.Node{})
	})}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	require.NoError(t, h.Open())
	split.Open()
	running.Go(func() { h.Serve(split.Sessions()) })
	running.Go(func() { web.Serve(split.HTTP()) })
	running.Go(func() { n.tend(ctx) })
	n.stop = sync.OnceFunc(func() {
		cancel()
		h.Close()
		split.Close()
		web.Close()
		running.Wait()
	})
	t.Cleanup(n.stop)
	return n
}

// tend renews and passes on changes, as package node does.
func (n *node) tend(ctx context.Context) {
	tick := time.NewTicker(lease.RenewEvery(ttl))
	defer tick.Stop()
	ticks := tick.C
	if n.cluster.patient {
		ticks = nil
	}
	for {
		n.cluster.mu.Lock()
		moved := n.cluster.moved
		n.cluster.mu.Unlock()
		n.Applied()
		select {
		case <-ctx.Done():
			return
		case <-moved:
			continue
		case <-ticks:
		case <-n.RenewSoon():
		}
		n.renew()
	}
}

// silence has no renewals any more, or has them again. None is under way when it returns.
func (n *node) silence(mute bool) {
	n.renewing.Lock()
	defer n.renewing.Unlock()
	n.mute = mute
}

func (n *node) renew() {
	n.renewing.Lock()
	defer n.renewing.Unlock()
	if n.mute {
		return
	}
	asked := boottime.Now()
	leases, sessions := n.Renewable()
	r := api.RenewResponse{Leases: map[lease.ID]time.Duration{}, Sessions: map[lease.SessionID]time.Duration{}}
	for _, id := range leases {
		if _, status := n.cluster.Ring(id.Arena()); status == lease.Active {
			r.Leases[id] = ttl
		}
	}
	n.mu.Lock()
	for _, id := range sessions {
		r.Sessions[id] = ttl
		n.renewed[id]++
	}
	n.mu.Unlock()
	n.Renewed(asked, r)
}

func (n *node) renewals(id lease.SessionID) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.renewed[id]
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "node.sock") }

// dial returns a stage's client of the node.
func dial(t *testing.T, socket, stage string) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), client.Config{
		Socket: socket, Stage: stage, TTL: ttl, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func session(t *testing.T, c *client.Client) lease.Session {
	t.Helper()
	s, err := c.Session(t.Context())
	require.NoError(t, err)
	return s
}

// tokenSum is what the cluster keeps of a token.
func tokenSum(token string) [32]byte { return sha256.Sum256([]byte(token)) }
