package rdma

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/internal/guest"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
	"github.com/grafnode/grafnode/locator"
)

// What lies where in the machines. runDir is a machine's own, in memory; WorkDir is the host's.
const (
	runDir    = "/run"
	inputFile = runDir + "/access.log"
	storeFile = runDir + "/store.db"
)

// The nodes, by their numbers: the first and the third are in the first machine. The third wants no RDMA.
const (
	nodeNear, nodeFar, nodeTCP = 0, 1, 2
)

var nodeNames = []string{"near", "far", "tcp"}

// plan returns where the nodes are. They are the same in both machines, and where Secure makes their files.
func plan() []lab.Node {
	nodes := lab.PlanAt([]string{address(1) + ":7000", address(2) + ":7000", address(1) + ":7100"}, runDir)
	return nodes
}

// agents returns the arguments of the nodes' agents, one in a line, and makes the files that they need.
func (b *machines) agents() string {
	b.t.Helper()
	nodes := plan()
	_, err := lab.Secure(nodes, b.dir)
	require.NoError(b.t, err)
	var lines []string
	for i, n := range nodes {
		fabric := "auto"
		if i == nodeTCP {
			fabric = "tcp"
		}
		line := strings.Join(lab.Agent(n, nodes, "--memory", "64MiB", "--raft-heartbeat", "5s", "--fabric", fabric, "--fabric-trusted", network), " ")
		lines = append(lines, strings.ReplaceAll(line, b.dir, guest.WorkDir))
	}
	return strings.Join(lines, "\n")
}

// agentsVariable holds what agents has returned, in the machines.
const agentsVariable = "GRAFNODE_RDMA_AGENTS"

// host is one of the machines, seen from within.
type host struct {
	t      *testing.T
	ctx    context.Context
	l      *proc.Launcher
	agents [][]string
}

// newHost skips outside of a machine.
func newHost(t *testing.T) *host {
	t.Helper()
	text := os.Getenv(agentsVariable)
	if text == "" {
		t.Skip("runs in two machines: see TestAdapters")
	}
	ctx, cancel := context.WithTimeout(t.Context(), fabrictest.Patience())
	t.Cleanup(cancel)
	h := &host{t: t, ctx: ctx, l: proc.NewLauncher()}
	for line := range strings.SplitSeq(text, "\n") {
		h.agents = append(h.agents, strings.Fields(line))
	}
	t.Cleanup(func() {
		if t.Failed() {
			fmt.Println(logs())
		}
	})
	t.Cleanup(h.l.Close)
	return h
}

// logs returns the ends of the logs of this machine's processes.
func logs() string {
	var all strings.Builder
	paths, _ := filepath.Glob(runDir + "/*.log.*")
	for _, path := range paths {
		fmt.Fprintf(&all, "%s: %s\n", path, lab.Tail(path))
	}
	return all.String()
}

// eventually waits until f says that nothing is missing.
func (h *host) eventually(f func() error) {
	h.t.Helper()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-h.ctx.Done():
			h.t.Fatal(err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// agent starts a node. The API is its own.
func (h *host) agent(i int) *client.API {
	h.t.Helper()
	_, err := h.l.Start(proc.Spec{
		Name: nodeNames[i], Path: guest.WorkDir + "/grafnode", Args: h.agents[i], Log: runDir + "/node.log." + nodeNames[i],
	})
	require.NoError(h.t, err)
	a, err := client.NewAPI(plan()[i].Socket, client.APIConfig{})
	require.NoError(h.t, err)
	h.t.Cleanup(func() { require.NoError(h.t, a.Close()) })
	return a
}

// stage is a process of stages, which is started again whenever it ends.
type stage struct {
	name string
	done chan struct{} // closed when it has ended well

	mu   sync.Mutex
	now  *proc.Process
	rate int // lines in a second, of ingest; zero: as fast as they go
}

// keep runs stages, separated by commas, in a process of a node, as often as it takes.
func (h *host) keep(node int, name string, rate int) *stage {
	h.t.Helper()
	s := &stage{name: name, rate: rate, done: make(chan struct{})}
	now, err := s.start(h.l, node)
	require.NoError(h.t, err)
	go func() {
		for ended := false; err == nil; {
			<-now.Done()
			if now.Err() == nil && !ended {
				ended = true
				close(s.done)
			}
			now, err = s.start(h.l, node) // until the launcher is closed
		}
	}()
	return s
}

func (s *stage) start(l *proc.Launcher, node int) (now *proc.Process, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, err = l.Start(proc.Spec{
		Name: s.name, Path: guest.WorkDir + "/accesslog", Log: runDir + "/stage.log." + s.name,
		Args: []string{"-ttl", "10s", "-store", storeFile, "-stage", s.name, "-rate", fmt.Sprint(s.rate), inputFile},
		// Where processes wait for a processor longer than they may be silent, edges move by themselves.
		Env: []string{"GRAFNODE_SOCKET=" + plan()[node].Socket, client.HeartbeatEnv + "=1s"},
	})
	return s.now, err
}

// again kills the process. What comes after it goes at another rate.
func (s *stage) again(rate int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rate = rate
	s.now.Kill()
}

// metric returns the value of a node's metric without labels; zero if it has none.
func metric(ctx context.Context, a *client.API, name string) (value uint64, err error) {
	b, err := a.Metrics(ctx)
	for line := range strings.SplitSeq(string(b), "\n") {
		if of, text, ok := strings.Cut(line, " "); ok && of == name {
			_, err = fmt.Sscan(text, &value)
		}
	}
	return value, err
}

// nodes waits until the cluster has all its nodes, with the adapters of those that are to have some: stages learn of them when they come. It
// returns who they are.
func (h *host) nodes(a *client.API) (ids []locator.NodeID) {
	h.t.Helper()
	h.eventually(func() error {
		ids = nil
		nodes, err := a.Nodes(h.ctx, api.Stale)
		if err != nil {
			return err
		}
		for i, n := range plan() {
			at := slices.IndexFunc(nodes, func(has api.Node) bool { return has.Name == n.Name })
			if at < 0 || (nodes[at].Direct == "") != (i == nodeTCP) {
				return fmt.Errorf("%s is not there with its adapter: %+v", n.Name, nodes)
			}
			ids = append(ids, nodes[at].ID)
		}
		return nil
	})
	return ids
}
