package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/locator"
)

// built makes a binary of the node with build tags, once for all tests.
func built(t *testing.T, tags string) string {
	t.Helper()
	bins.Lock()
	defer bins.Unlock()
	if bin := os.Getenv(binEnv(tags)); bin != "" {
		return bin // made by the process that started this one
	}
	bin := filepath.Join(filepath.Dir(grafnode), "grafnode-"+tags)
	if _, err := os.Stat(bin); err != nil {
		out, err := exec.Command("go", "build", "-tags", tags, "-o", bin, "../cmd/grafnode").CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	return bin
}

var bins sync.Mutex

// binEnv is the variable by which a test tells its copy in a namespace where a binary is.
func binEnv(tags string) string {
	return "GRAFNODE_TEST_" + strings.ReplaceAll(strings.ToUpper(tags), ",", "_")
}

// wires are what the nodes are joined by. A fault of one direction lets the other be.
type wires interface {
	drop(from, to int) error
	undrop(from, to int) error
	dials(from int) string // what node from is to be told, as environment: how it reaches the others
}

// member is a node of a cluster under test, by the number that plans have for it.
type member struct {
	*node
	number int
	disk   string     // file that says what is wrong with its disk
	busy   sync.Mutex // one thing is done to its process at a time
}

// ensemble is a cluster under test, and what joins its nodes.
type ensemble struct {
	t       *testing.T
	dir     string
	members []*member
	wires   wires
}

// ensembleConfig says what an ensemble is made of.
type ensembleConfig struct {
	nodes int
	small bool                      // each has a small disk of its own, which can be full; needs a namespace
	tags  string                    // build tags of the nodes
	flags []string                  // more flags for them
	env   []string                  // and more environment
	each  func(number int) []string // flags of one node only; nil: none
}

// newEnsemble starts nodes on wires and waits until they have a leader and all are ready.
func newEnsemble(t *testing.T, dir string, c ensembleConfig, w wires, addresses []string) *ensemble {
	t.Helper()
	e := &ensemble{t: t, dir: dir, wires: w}
	secured, trust := make([]lab.Node, c.nodes), client.APIConfig{Timeout: tryFor}
	if _, ok := w.(*network); ok {
		secured, trust.TLS = secure(t, dir, c.nodes)
	}
	for i := range c.nodes {
		e.members = append(e.members, e.newMember(i, c, addresses, secured[i], trust))
	}
	for _, m := range e.members {
		m.start()
	}
	for _, m := range e.members {
		m.ready()
	}
	return e
}

func (e *ensemble) newMember(i int, c ensembleConfig, addresses []string, secured lab.Node, trust client.APIConfig) *member {
	name := fmt.Sprintf("n%d", i+1)
	m := &member{number: i, disk: filepath.Join(e.dir, name+".disk"), node: &node{
		address: addresses[i], data: filepath.Join(e.dir, name), socket: filepath.Join(e.dir, name+".sock"),
	}}
	m.process = &process{t: e.t, name: name, log: filepath.Join(e.dir, name+".log"), bin: built(e.t, c.tags)}
	m.args = append([]string{
		"agent", "--name", name, "--data-dir", m.data, "--bind", m.address, "--join", strings.Join(addresses, ","),
		"--bootstrap-expect", fmt.Sprint(c.nodes), "--zone", fmt.Sprintf("zone-%d", i+1), "--socket", m.socket, "--memory", "1GiB",
		"--raft-heartbeat", "1s", // tests of silent hosts wait for it
	}, slices.Concat(secured.SecureArgs(), c.flags)...)
	if c.each != nil {
		m.args = append(m.args, c.each(i)...)
	}
	m.env = append([]string{"GRAFNODE_FAULT_DISK=" + m.disk, "GRAFNODE_FAULT_DIAL=" + e.wires.dials(i)}, c.env...)
	if c.small {
		require.NoError(e.t, os.MkdirAll(m.data, 0o700))
		require.NoError(e.t, syscall.Mount("grafnode-test", m.data, "tmpfs", 0, "size=64m,mode=700"))
	}
	if w, ok := e.wires.(*network); ok {
		m.host = w.hosts[i]
		m.enter(m.host)
	}
	var err error
	m.api, err = client.NewAPI(m.address, trust)
	require.NoError(e.t, err)
	e.t.Cleanup(func() { m.kill(); m.tail(); m.api.Close() })
	return m
}

// tryFor bounds one call of a client: long enough to ride over an election, short enough that clients get to do other things
// while something is broken.
const tryFor = 1500 * time.Millisecond

// crash ends the node without a word, and waits until it is gone.
func (m *member) crash() {
	m.busy.Lock()
	defer m.busy.Unlock()
	m.kill()
}

// revive starts the node again if it has ended.
func (m *member) revive() error {
	m.busy.Lock()
	defer m.busy.Unlock()
	select {
	case <-m.ended():
		return m.try()
	default:
		return nil
	}
}

// sick says what is to be wrong with the node's disk from now on; nothing: no fault.
func (m *member) sick(what string) error {
	next := m.disk + ".next"
	if err := os.WriteFile(next, []byte(what+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(next, m.disk) // the node never sees half of it
}

// leader returns the number of the node that says that it leads, -1 if none does. Of two, one of which has not noticed yet, it
// is that of the higher term.
func (e *ensemble) leader(ctx context.Context) int {
	leader, term := -1, uint64(0)
	var asked sync.WaitGroup
	var mu sync.Mutex
	for i, m := range e.members {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			s, err := m.api.Status(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && s.State == "leader" && s.Term > term {
				leader, term = i, s.Term
			}
		})
	}
	asked.Wait()
	return leader
}

// await waits until f returns nil, or says what it last returned.
func await(ctx context.Context, what string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not happen: %s: %w; last: %w", what, context.Cause(ctx), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// working waits until a write has gone through the whole cluster: every node runs, and has applied it.
func (e *ensemble) working(ctx context.Context) error {
	for _, m := range e.members {
		m.signal(syscall.SIGCONT)
	}
	return await(ctx, "the healed cluster works", func(ctx context.Context) error {
		for _, m := range e.members {
			if err := m.revive(); err != nil {
				return err
			}
		}
		if err := e.voters(ctx); err != nil {
			return err
		}
		written, err := e.members[0].api.PutCheckpoint(ctx, "probe", api.CheckpointRequest{Epoch: 1})
		if err != nil {
			return err
		}
		for _, m := range e.members {
			s, err := m.api.Status(ctx)
			if err == nil && (!s.Ready || s.Revision < written.Revision) {
				err = errors.New(m.name + " is behind, or not ready: " + strings.Join(s.Problems, "; "))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// voters requires that the nodes that run, and no others, have a vote. One that was replaced gets it when it has caught up.
func (e *ensemble) voters(ctx context.Context) error {
	group, err := e.members[0].api.Raft(ctx, api.Default)
	if err != nil {
		return err
	}
	votes := map[locator.NodeID]bool{}
	for _, s := range group.Servers {
		votes[s.ID] = s.Voter
	}
	for _, m := range e.members {
		s, err := m.api.Status(ctx)
		if err != nil {
			return err
		}
		if !votes[s.Node] || len(votes) != len(e.members) {
			return fmt.Errorf("%s has no vote yet, or there are others: %v", m.name, votes)
		}
	}
	return nil
}
