package registry_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen; it judges nothing.
const patience = time.Minute

// wire carries Raft over loopback TCP, and can be cut.
type wire struct {
	net.Listener
	mu    sync.Mutex
	conns map[net.Conn]bool
	calls int // accepted connections
	cut   bool
	no    string // connections with this address end, and new ones are refused
}

func listen(t testing.TB, address string) *wire {
	l, err := net.Listen("tcp", address)
	require.NoError(t, err)
	return &wire{Listener: l, conns: map[net.Conn]bool{}}
}

func (w *wire) keep(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		c.Close()
		return c, nil // as good as a connection that breaks at once
	}
	w.conns[c] = true
	return c, nil
}

func (w *wire) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	w.mu.Lock()
	w.calls++
	w.mu.Unlock()
	return w.keep(conn, err)
}

func (w *wire) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	w.mu.Lock()
	cut, no := w.cut, w.no
	w.mu.Unlock()
	if cut {
		return nil, fmt.Errorf("cut off")
	}
	if no == string(address) {
		return nil, fmt.Errorf("dial %s: %w", address, syscall.ECONNREFUSED) // as a firewall does
	}
	return w.keep(net.DialTimeout("tcp", string(address), timeout))
}

// refuse cuts this node off from the one at address alone.
func (w *wire) refuse(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.no = address
	w.drop()
}

// setCut cuts the node off, or heals it.
func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	if cut {
		w.drop()
	}
}

func (w *wire) drop() {
	for c := range w.conns {
		c.Close()
	}
	w.conns = map[net.Conn]bool{}
}

func (w *wire) Close() error {
	w.setCut(true)
	return w.Listener.Close()
}

type member struct {
	*registry.Registry
	id      locator.NodeID
	address string
	dir     string
	wire    *wire
	fatal   chan error
}

type cluster struct {
	t       testing.TB
	members []*member
	tune    func(*registry.Config)
	prepare func(*member) // before a member is opened
}

func newCluster(t testing.TB, size int, tune func(*registry.Config)) *cluster {
	c := &cluster{t: t, tune: tune}
	var peers []registry.Peer
	for i := range size {
		m := &member{id: locator.NodeID(fmt.Sprintf("n%d", i)), dir: t.TempDir(), fatal: make(chan error, 1)}
		m.wire = listen(t, "127.0.0.1:0")
		m.address = m.wire.Addr().String()
		c.members = append(c.members, m)
		c.open(m)
		peers = append(peers, registry.Peer{ID: m.id, Address: m.address})
	}
	t.Cleanup(c.close)
	require.NoError(t, c.members[0].Bootstrap(peers))
	for _, m := range c.members { // the others learn of it from the first leader: whoever has not cannot campaign
		require.Eventually(t, func() bool { known, err := m.Servers(); return err == nil && len(known) == size }, patience, time.Millisecond)
	}
	return c
}

// steady makes leaders stay what they are on a busy machine, for tests of anything but their change.
func steady(cfg *registry.Config) { cfg.Heartbeat, cfg.Election = 2*time.Second, 2*time.Second }

// receive waits for what must come.
func receive[T any](t testing.TB, ch <-chan T) T {
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing came in %v", patience)
		panic("not reached")
	}
}

func (c *cluster) config(m *member) registry.Config {
	cfg := registry.Config{
		NodeID: m.id, Address: m.address, DataDir: m.dir, Layer: m.wire, Heartbeat: 500 * time.Millisecond,
		Election: 500 * time.Millisecond, Bookmark: 50 * time.Millisecond, Logger: logger(),
		Fatal: func(err error) { m.fatal <- err },
	}
	if c.tune != nil {
		c.tune(&cfg)
	}
	return cfg
}

func (c *cluster) open(m *member) {
	var err error
	m.Registry, err = registry.New(c.config(m))
	require.NoError(c.t, err)
	if c.prepare != nil {
		c.prepare(m)
	}
	require.NoError(c.t, m.Open())
}

// restart closes a member and opens it again on the same directory and address.
func (c *cluster) restart(m *member) {
	require.NoError(c.t, m.Close())
	m.wire = listen(c.t, m.address)
	c.open(m)
}

func (c *cluster) close() {
	for _, m := range c.members {
		require.NoError(c.t, m.Close())
	}
}

// leader waits for a leader that is ready.
func (c *cluster) leader() *member {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, m := range c.members {
			if m.IsLeader() {
				return m
			}
		}
	}
	c.t.Fatal("no leader")
	return nil
}

func (c *cluster) followers() []*member {
	leader := c.leader()
	var out []*member
	for _, m := range c.members {
		if m != leader {
			out = append(out, m)
		}
	}
	return out
}

// apply proposes to whoever leads until it is applied. The command must bear being applied twice.
func (c *cluster) apply(cmd state.Command) state.Result {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		r, err := c.leader().Apply(ctx, cmd)
		if err == nil {
			return r
		}
		kind := api.ErrorOf(err).Kind
		require.Contains(c.t, []api.Kind{api.KindNoQuorum, api.KindUnknown}, kind, "%v", err)
		require.NoError(c.t, ctx.Err(), "%v", err)
	}
}

func (c *cluster) within() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.t.Cleanup(cancel)
	return ctx
}

func logger() *slog.Logger {
	if os.Getenv("REGISTRY_LOG") != "" {
		return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

const node = locator.NodeID("host")

// furnish registers a node and opens sessions.
func (c *cluster) furnish(sessions ...lease.SessionID) {
	n := c.apply(state.RegisterNode{Node: node, Address: "127.0.0.1:7000", Memory: 1 << 40}).Node
	for _, s := range sessions {
		c.apply(state.OpenSession{Session: s, Stage: "stage", Node: node, Incarnation: n.Incarnation, TTL: lease.TTLDefault})
	}
}

// take makes s the producer of an edge at the given revision.
func take(name string, expect api.Revision, s lease.SessionID) state.ChangeEdges {
	return state.ChangeEdges{Op: string(lease.NewID()), Session: s, Reason: api.ReasonTakeover, TTL: lease.TTLDefault,
		Edges: []state.EdgeChange{{Name: name, Expect: expect, TakeProducer: true, ProducerStage: "stage", Capacity: 1 << 16,
			Lease: lease.NewID(), Node: node}}}
}
