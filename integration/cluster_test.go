package integration

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/locator"
)

// patience bounds how long a test waits for something that must happen. It judges nothing: machines are slow at times.
const patience = 90 * time.Second

// cluster is a few nodes on 127.0.0.x, each a process, each in a zone of its own.
type cluster struct {
	t     *testing.T
	dir   string
	net   *network // nil: this host's
	env   []string
	nodes []*node

	secured []lab.Node // where others reach them
}

type node struct {
	*process
	address string // of its TCP port
	socket  string
	data    string
	host    *host // nil: this one
	api     *client.API
}

// newCluster starts n nodes, with additions to their environment, and waits until they have a leader and all are ready.
func newCluster(t *testing.T, n int, env ...string) *cluster {
	return prepareCluster(t, n, env...).start()
}

// prepareCluster is newCluster without starting anything.
func prepareCluster(t *testing.T, n int, env ...string) *cluster {
	port := freePort(t)
	var join []string
	for i := range n {
		join = append(join, fmt.Sprintf("127.0.0.%d:%d", i+1, port))
	}
	return makeCluster(t, join, nil, env)
}

// newClusterOn starts a node on each host of a network. The test reaches them by their sockets.
func newClusterOn(t *testing.T, w *network) *cluster {
	var join []string
	for i := range w.hosts {
		join = append(join, w.Address(i)+":17000")
	}
	return makeCluster(t, join, w, nil).start()
}

func makeCluster(t *testing.T, join []string, w *network, env []string) *cluster {
	c := &cluster{t: t, dir: t.TempDir(), net: w, env: env}
	if w != nil {
		c.secured, _ = secure(t, c.dir, len(join))
	}
	for i := range join {
		c.nodes = append(c.nodes, c.newNode(i, join))
	}
	return c
}

func (c *cluster) start() *cluster {
	for _, nd := range c.nodes {
		nd.start()
	}
	for _, nd := range c.nodes {
		nd.ready()
	}
	return c
}

func (c *cluster) newNode(i int, join []string) *node {
	name := fmt.Sprintf("n%d", i+1)
	nd := &node{address: join[i], data: filepath.Join(c.dir, name), socket: filepath.Join(c.dir, name+".sock")}
	nd.process = &process{t: c.t, name: name, log: filepath.Join(c.dir, name+".log"), bin: grafnode, args: []string{
		"agent", "--name", name, "--data-dir", nd.data, "--bind", nd.address, "--join", strings.Join(join, ","),
		"--bootstrap-expect", fmt.Sprint(len(join)), "--zone", fmt.Sprintf("zone-%d", i+1), "--socket", nd.socket,
		"--memory", "256MiB", "--raft-heartbeat", "1s", // tests of silent hosts wait for it
	}, env: c.env}
	target := nd.address
	if c.net != nil {
		nd.args = append(nd.args, c.secured[i].SecureArgs()...)
		nd.host, target = c.net.hosts[i], nd.socket
		nd.enter(nd.host)
	}
	var err error
	nd.api, err = client.NewAPI(target, client.APIConfig{})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { nd.kill(); nd.tail(); nd.api.Close() })
	return nd
}

// ports is the next that freePort tries, so that tests that run at once get different ones.
var ports = struct {
	sync.Mutex
	next int
}{next: 17000 + int(time.Now().UnixNano()/1000%8000)}

// freePort returns a port that was free on 127.0.0.1 with the one above it, below the range that the kernel hands out.
func freePort(t *testing.T) int {
	ports.Lock()
	defer ports.Unlock()
	for range 6500 {
		port := ports.next
		if ports.next += 2; ports.next >= 30000 {
			ports.next = 17000
		}
		a, errA := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		b, errB := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		if errA == nil {
			a.Close()
		}
		if errB == nil {
			b.Close()
		}
		if errA == nil && errB == nil {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// eventually waits until f returns true.
func eventually(t *testing.T, what string, f func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !f(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("in %v it did not happen: %s", patience, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// ready waits until the node says that it is.
func (nd *node) ready() {
	nd.t.Helper()
	eventually(nd.t, nd.name+" is ready", func(ctx context.Context) bool {
		s, err := nd.api.Status(ctx)
		return err == nil && s.Ready
	})
}

// edge returns an edge's record from whichever node answers.
func (c *cluster) edge(name string) api.Edge {
	c.t.Helper()
	var e api.Edge
	eventually(c.t, "a node answers for "+name, func(ctx context.Context) bool {
		for _, nd := range c.nodes {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			got, err := nd.api.Edge(ctx, name, api.Default)
			cancel()
			if err == nil {
				e = got
				return true
			}
		}
		return false
	})
	return e
}

// byID returns the node with an ID.
func (c *cluster) byID(id locator.NodeID) *node {
	c.t.Helper()
	for _, nd := range c.nodes {
		ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
		s, err := nd.api.Status(ctx)
		cancel()
		if err == nil && s.Node == id {
			return nd
		}
	}
	c.t.Fatalf("no node has ID %s", id)
	return nil
}

// leader returns the node that leads.
func (c *cluster) leader() *node {
	c.t.Helper()
	var leader *node
	eventually(c.t, "there is a leader", func(ctx context.Context) bool {
		for _, nd := range c.nodes {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			s, err := nd.api.Status(ctx)
			cancel()
			if err == nil && s.State == "leader" {
				leader = nd
				return true
			}
		}
		return false
	})
	return leader
}
