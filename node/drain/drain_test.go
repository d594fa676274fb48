package drain

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// cluster is the state machine with three nodes, a, b and c, of which a leads, and who moves edges in it.
type cluster struct {
	t      *testing.T
	state  *state.State
	index  uint64
	leader locator.NodeID
	to     locator.NodeID // where edges are moved to
	down   map[locator.NodeID]bool
	moved  []string
	err    error // of moving
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, state: state.New(), leader: "a", to: "c", down: map[locator.NodeID]bool{}}
	c.must(state.InitCluster{Cluster: "x"})
	c.must(state.Upgrade{Level: state.Level})
	for _, id := range []locator.NodeID{"a", "b", "c"} {
		c.must(state.RegisterNode{Node: id, Address: "127.0.0.1:7400", Memory: 1 << 20})
	}
	c.must(state.OpenSession{Session: "s", Stage: "stage", Node: "a", Incarnation: 1, TTL: lease.TTLDefault})
	return c
}

func (c *cluster) must(cmd state.Command) state.Result {
	c.t.Helper()
	r, err := c.Apply(c.t.Context(), cmd)
	require.NoError(c.t, err)
	return r
}

func (c *cluster) Apply(_ context.Context, cmd state.Command) (state.Result, error) {
	c.index++
	next, r := c.state.Step(state.Entry{Index: c.index, Term: 1, Command: cmd})
	c.state = next
	return r, r.Err
}

func (c *cluster) State() *state.State { return c.state }
func (c *cluster) IsLeader() bool      { return c.leader == "a" }

func (c *cluster) Servers() (all []registry.Server, err error) {
	for n := range c.state.Nodes() {
		all = append(all, registry.Server{Peer: registry.Peer{ID: n.ID}, Voter: true})
	}
	return all, nil
}

func (c *cluster) Transfer(_ context.Context, to locator.NodeID) error {
	if c.down[to] {
		return errors.New("no answer")
	}
	c.leader = to
	return nil
}

func (c *cluster) Relocate(_ context.Context, edge string, _ api.RelocateRequest) (api.Edge, error) {
	if c.err != nil {
		return api.Edge{}, c.err
	}
	c.moved = append(c.moved, edge)
	r, _ := c.state.Edge(edge)
	moved := c.must(state.ChangeEdges{TTL: lease.TTLDefault, Reason: api.ReasonRequested,
		Edges: []state.EdgeChange{{Name: edge, Expect: r.Revision, Lease: lease.NewID(), Node: c.to}}})
	return moved.Edges[0].API(c.state), nil
}

// edge makes an edge with a ring on a node and, if that is not empty, a spare on another.
func (c *cluster) edge(name string, ring, spare locator.NodeID) {
	r := c.must(state.ChangeEdges{Session: "s", TTL: lease.TTLDefault, Edges: []state.EdgeChange{{Name: name, TakeProducer: true,
		ProducerStage: "p", TakeConsumer: true, ConsumerStage: "c", Capacity: 1 << 10, Lease: lease.NewID(), Node: ring}}}).Edges[0]
	if spare != "" {
		c.must(state.ChangeSpare{Session: "s", Edge: name, Expect: r.Revision, Arm: true, Lease: lease.NewID(), Node: spare, TTL: lease.TTLDefault})
	}
}

func (c *cluster) drain(id locator.NodeID) {
	c.must(state.DrainNode{Node: id, Drain: api.DrainUntilEnabled})
}

func (c *cluster) drainer() *Drainer { return New("a", c, c, slog.New(slog.DiscardHandler)) }

func TestRingsAndSparesAreMoved(t *testing.T) {
	c := newCluster(t)
	c.edge("e", "b", "c")
	c.edge("f", "c", "b")
	c.edge("g", "c", "a")
	c.must(state.GrantLease{Lease: lease.NewID(), Kind: lease.KindMemory, Node: "b", Session: "s", Bytes: 8, TTL: lease.TTLDefault})
	d := c.drainer()
	require.False(t, d.Step(t.Context()), "nothing is to be drained")
	c.drain("b")
	for range 2 {
		require.True(t, d.Step(t.Context()))
	}
	require.False(t, d.Step(t.Context()))
	require.Equal(t, []string{"e"}, c.moved)
	f, _ := c.state.Edge("f")
	require.Nil(t, f.API(c.state).Spare)
	require.Equal(t, api.ReasonSpareLost, f.Reason)
	g, _ := c.state.Edge("g")
	require.NotNil(t, g.API(c.state).Spare, "that one is elsewhere")
	for l := range c.state.LeasesOn("b") {
		require.Empty(t, l.Edge, "what is left is no edge's")
	}
}

func TestALeaderHandsOnFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.edge("e", "a", "")
		d := c.drainer()
		c.drain("a")
		c.drain("b")
		c.down["c"] = true
		require.True(t, d.Step(t.Context()))
		require.Equal(t, locator.NodeID("a"), c.leader, "b is being drained, c is away")
		require.True(t, d.Step(t.Context()), "meanwhile it leads")
		require.Equal(t, []string{"e"}, c.moved)
		c.down["c"] = false
		time.Sleep(againMax)
		require.True(t, d.Step(t.Context()))
		require.Equal(t, locator.NodeID("c"), c.leader)
		require.False(t, d.Step(t.Context()))
	})
}

func TestWhatFailsIsTriedAgainEverMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.edge("e", "b", "")
		d := c.drainer()
		c.drain("b")
		c.err = api.ErrNoRoom
		tries := 0
		for range 600 {
			if d.Step(t.Context()) {
				tries++
			}
			time.Sleep(100 * time.Millisecond)
		}
		require.Greater(t, tries, 4)
		require.Less(t, tries, 10)
		c.err = nil
		time.Sleep(againMax)
		require.True(t, d.Step(t.Context()))
		require.Equal(t, []string{"e"}, c.moved)
	})
}
