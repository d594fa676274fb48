package node_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/testport"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node"
)

// TestMain looks for leaks for longer than goleak does by itself: a probe of memberlist's that is under way when it is shut down
// ends when it times out.
func TestMain(m *testing.M) {
	code := m.Run()
	err := goleak.Find()
	for began := time.Now(); err != nil && time.Since(began) < patience; err = goleak.Find() {
	}
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// Tests that wait more than they do run side by side, after the others: t.Parallel is for those that no pause of the machine harms.

// patience bounds what must happen in the end; nothing is judged by how fast it was.
const patience = time.Minute

// cluster is some nodes in this process.
type cluster struct {
	t     *testing.T
	nodes []*node.Node
	cfgs  []node.Config
}

func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	return newClusterOf(t, n, func(int, *node.Config) {})
}

// newClusterOf starts nodes that are told something else each.
func newClusterOf(t *testing.T, n int, tune func(i int, cfg *node.Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, nodes: make([]*node.Node, n)}
	var join []string
	for range n {
		join = append(join, fmt.Sprintf("127.0.0.1:%d", testport.Pair(t)))
	}
	root, err := os.MkdirTemp("", "gn") // not t.TempDir: its paths are too long for a socket
	require.NoError(t, err)
	for i, bind := range join {
		c.cfgs = append(c.cfgs, node.Config{
			DataDir: filepath.Join(root, strconv.Itoa(i)), Bind: bind, Join: join, BootstrapExpect: n, Name: "n" + strconv.Itoa(i),
			Zone: "z" + strconv.Itoa(i), Memory: 64 << 20, Socket: filepath.Join(root, strconv.Itoa(i)+".sock"), Version: "test", Logger: slog.New(slog.DiscardHandler),
			Heartbeat: time.Second, // tests of silent nodes wait for it
		})
		tune(i, &c.cfgs[i])
		c.start(i)
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.stop(i)
		}
		require.NoError(t, os.RemoveAll(root))
	})
	return c
}

func (c *cluster) start(i int) {
	c.t.Helper()
	n, err := node.New(c.cfgs[i])
	require.NoError(c.t, err)
	require.NoError(c.t, n.Open())
	c.nodes[i] = n
}

func (c *cluster) stop(i int) {
	c.t.Helper()
	if c.nodes[i] != nil {
		require.NoError(c.t, c.nodes[i].Close())
		c.nodes[i] = nil
	}
}

// eventually waits until f returns no error.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	last := f()
	for began := time.Now(); last != nil && time.Since(began) < patience; last = f() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	require.NoError(t, last)
}

func (c *cluster) ready() {
	c.t.Helper()
	eventually(c.t, func() error {
		for i, n := range c.nodes {
			if n != nil && len(n.Problems()) > 0 {
				return fmt.Errorf("node %d: %v", i, n.Problems())
			}
		}
		return nil
	})
}

func (c *cluster) api(target string, session lease.SessionID) *client.API {
	c.t.Helper()
	a, err := client.NewAPI(target, client.APIConfig{
		Credentials: func() (lease.SessionID, string) { return session, "secret" },
	})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = a.Close() })
	return a
}

// session opens a session of no process on node i.
func (c *cluster) session(i int, id lease.SessionID) {
	c.t.Helper()
	sum := sha256.Sum256([]byte("secret"))
	a := c.api(c.nodes[i].Address(), "")
	eventually(c.t, func() error {
		nodes, err := a.Nodes(c.t.Context(), api.Default)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if n.ID != c.nodes[i].ID() {
				continue
			}
			_, err = a.Sessions(c.t.Context(), api.SessionRequest{Open: &api.SessionOpen{
				Session: id, Node: n.ID, Incarnation: n.Incarnation, Stage: "stage", TTL: time.Minute, TokenSum: sum[:],
			}})
		}
		return err
	})
}

func change(session lease.SessionID, name string, expect api.Revision) api.ChangeRequest {
	return api.ChangeRequest{OpID: string(lease.NewID()), Session: session, Reason: api.ReasonTakeover, Edges: []api.EdgeChange{
		{Name: name, Expect: expect, TakeProducer: true, ProducerStage: "stage", Capacity: 1 << 16},
	}}
}

func TestThreeNodesFindEachOtherAndAnswerAsOne(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	c.session(0, "s1")

	var id string
	var revision api.Revision
	for i, n := range c.nodes {
		for _, target := range []string{n.Address(), n.Socket()} {
			a := c.api(target, "s1")
			status, err := a.Status(t.Context())
			require.NoError(t, err)
			require.True(t, status.Ready)
			if id == "" {
				id = status.Cluster
			}
			require.Equal(t, id, status.Cluster)
			// Every node takes a change, whoever leads, and every node knows of it at once.
			changed, err := a.Change(t.Context(), change("s1", "e", revision))
			require.NoError(t, err, "node %d by %s", i, target)
			revision = changed.Revision
			for _, other := range c.nodes {
				e, err := c.api(other.Address(), "").Edge(t.Context(), "e", api.Default)
				require.NoError(t, err)
				require.Equal(t, revision, e.Revision)
			}
		}
	}
	nodes, err := c.api(c.nodes[1].Address(), "").Nodes(t.Context(), api.Strict)
	require.NoError(t, err)
	require.Len(t, nodes, 3)
	for _, n := range nodes {
		require.True(t, n.Voter)
		require.Equal(t, uint64(1), n.Incarnation)
	}
	_, err = c.api(c.nodes[2].Address(), "s1").Change(t.Context(), change("s1", "e", revision-1))
	require.ErrorIs(t, err, api.ErrConflict)
}

func TestEachNodeMayStopAndComeBack(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	c.session(0, "s1")
	revision := api.Revision(0)
	for i := range c.nodes {
		drain, cancel := context.WithTimeout(t.Context(), patience)
		_ = c.nodes[i].Drain(drain) // an election may be on; then it is as a crash
		cancel()
		c.stop(i)
		other := c.api(c.nodes[(i+1)%3].Address(), "s1")
		eventually(t, func() error {
			changed, err := other.Change(t.Context(), change("s1", "e", revision))
			if err != nil {
				if e, rerr := other.Edge(t.Context(), "e", api.Default); rerr == nil {
					revision = e.Revision
				}
				return err
			}
			revision = changed.Revision
			return nil
		})
		c.start(i)
		c.ready()
		eventually(t, func() error {
			e, err := c.api(c.nodes[i].Address(), "").Edge(t.Context(), "e", api.Stale)
			if err == nil && e.Revision < revision {
				return fmt.Errorf("revision %d, waiting for %d", e.Revision, revision)
			}
			return err
		})
	}
	nodes, err := c.api(c.nodes[0].Address(), "").Nodes(t.Context(), api.Default)
	require.NoError(t, err)
	for _, n := range nodes {
		require.Equal(t, uint64(2), n.Incarnation)
	}
}

func TestANodeIsTakenInLater(t *testing.T) {
	c := newCluster(t, 1)
	c.ready()
	late := c.cfgs[0]
	late.DataDir, late.Bind = filepath.Join(filepath.Dir(late.DataDir), "late"), fmt.Sprintf("127.0.0.1:%d", testport.Pair(t))
	late.Socket = late.DataDir + ".sock"
	late.Join, late.BootstrapExpect, late.Name = []string{c.cfgs[0].Bind}, 0, "late"
	c.cfgs, c.nodes = append(c.cfgs, late), append(c.nodes, nil)
	c.start(1)
	c.ready()
	nodes, err := c.api(c.nodes[1].Address(), "").Nodes(t.Context(), api.Default)
	require.NoError(t, err)
	require.Len(t, nodes, 2)
}

// A node whose data directory is lost comes back at its address as another one, and counts again.
func TestAWipedNodeIsTakenInAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.ready()
	before := c.nodes[1].ID()
	c.stop(1)
	require.NoError(t, os.RemoveAll(c.cfgs[1].DataDir))
	c.start(1)
	require.NotEqual(t, before, c.nodes[1].ID())
	c.ready()
	eventually(t, func() error {
		nodes, err := c.api(c.nodes[1].Address(), "").Nodes(t.Context(), api.Default)
		voters := 0
		for _, n := range nodes {
			if n.Voter {
				voters++
			}
		}
		if err == nil && voters != 3 {
			err = fmt.Errorf("%d voters", voters)
		}
		return err
	})
	c.stop(0) // a majority without the one that was never wiped
	c.ready()
}

// A node that has lost its log but not its name could vote twice.
func TestANameWithoutItsLogIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	c.ready()
	c.stop(0)
	require.NoError(t, os.RemoveAll(filepath.Join(c.cfgs[0].DataDir, "registry")))
	n, err := node.New(c.cfgs[0])
	require.NoError(t, err)
	err = n.Open()
	require.ErrorContains(t, err, "wipe the directory")
	require.ErrorAs(t, err, new(*node.ConfigError))
	require.NoError(t, n.Close())
}

func TestWhatCannotBeOpenedIsAConfigError(t *testing.T) {
	c := newCluster(t, 1)
	for setting, spoil := range map[string]func(*node.Config){
		"data-dir": func(*node.Config) {},                         // in use
		"bind":     func(cfg *node.Config) { cfg.DataDir += "x" }, // in use too
		"socket": func(cfg *node.Config) {
			cfg.DataDir, cfg.Bind = cfg.DataDir+"y", fmt.Sprintf("127.0.0.1:%d", testport.Pair(t))
			cfg.Socket = c.nodes[0].Socket()
		},
	} {
		cfg := c.cfgs[0]
		spoil(&cfg)
		n, err := node.New(cfg)
		require.NoError(t, err)
		err = n.Open()
		var wrong *node.ConfigError
		require.ErrorAs(t, err, &wrong)
		require.Equal(t, setting, wrong.Setting, err)
		require.NotContains(t, err.Error(), "\n")
		require.NoError(t, n.Close())
		require.NoError(t, n.Close())
	}
	c.ready() // and the first one is none the worse
}

func TestANodeThatIsStartedElsewhereGivesUp(t *testing.T) {
	c := newCluster(t, 1)
	c.ready()
	_, err := c.api(c.nodes[0].Address(), "").Register(t.Context(), api.RegisterRequest{Node: api.Node{
		ID: c.nodes[0].ID(), Address: "127.0.0.1:1", Memory: 1 << 20,
	}})
	require.NoError(t, err)
	select {
	case err := <-c.nodes[0].Fatal():
		require.ErrorContains(t, err, "two agents share an identity")
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}

func ids(c *cluster, nodes ...int) (ids []locator.NodeID) {
	for _, i := range nodes {
		ids = append(ids, c.nodes[i].ID())
	}
	return ids
}
