package node_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/registry/state"
)

// drainable returns a cluster in which nodes can be drained.
func drainable(t *testing.T, tune func(i int, c *node.Config)) *cluster {
	c := newClusterOf(t, 3, tune)
	c.ready()
	eventually(t, func() error {
		for _, n := range c.nodes {
			h, err := c.api(n.Address(), "").Health(t.Context())
			if err != nil || h.Level < state.Level {
				return fmt.Errorf("level %d: %w", h.Level, err)
			}
		}
		return nil
	})
	return c
}

// emptied waits until no edge is left on a node.
func (c *cluster) emptied(i int) api.DrainStatus {
	c.t.Helper()
	var left api.DrainStatus
	eventually(c.t, func() (err error) {
		left, err = c.api(c.nodes[i].Address(), "").DrainStatus(c.t.Context(), c.nodes[i].ID())
		if err == nil && left.Rings+left.Spares > 0 {
			err = fmt.Errorf("not empty: %+v", left)
		}
		return err
	})
	return left
}

// flow pushes items one by one, as they are taken, until stop ends, and returns how many.
func flow(t *testing.T, out *edge.Producer[string], in *edge.Consumer[string], stop <-chan struct{}) (count func() uint64) {
	t.Helper()
	done := make(chan uint64)
	go func() {
		n := uint64(0)
		for {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			n++
			if !assertNoError(t, out.Push(context.Background(), position.Position{Offset: n}, fmt.Sprint(n))) {
				done <- 0
				return
			}
			m, err := in.Pop(context.Background())
			if !assertNoError(t, err) || m.Value != fmt.Sprint(n) || !assertNoError(t, in.Ack(m.Pos)) {
				t.Errorf("%d came as %+v", n, m)
				done <- 0
				return
			}
		}
	}()
	return func() uint64 { return <-done }
}

func assertNoError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func TestANodeIsDrained(t *testing.T) {
	c := drainable(t, func(int, *node.Config) {})
	from, to := c.stage(0, "from"), c.stage(1, "to")
	out, in := connect(t, from, to)
	kept, err := from.AcquireLease(t.Context(), lease.Request{Kind: lease.KindBlock, Name: "kept", Bytes: 4096, TTL: lease.TTLDefault})
	require.NoError(t, err)
	stop := make(chan struct{})
	count := flow(t, out, in, stop)
	a := c.api(c.nodes[2].Address(), "")
	for i := range c.nodes {
		id := c.nodes[i].ID()
		_, err := a.DrainNode(t.Context(), id, api.DrainRequest{Drain: api.DrainUntilEnabled})
		require.NoError(t, err)
		left := c.emptied(i)
		require.Equal(t, api.DrainUntilEnabled, left.Drain)
		if kept.Locator.Node == id {
			require.Equal(t, 1, left.Stay)
			require.Equal(t, "kept", left.Leases[0].Name)
		}
		eventually(t, func() error {
			s, err := c.api(c.nodes[i].Address(), "").Status(t.Context())
			if err == nil && s.State == "leader" {
				err = fmt.Errorf("%s still leads", id)
			}
			return err
		})
		nodes, err := a.Nodes(t.Context(), api.Default)
		require.NoError(t, err)
		require.Equal(t, api.DrainUntilEnabled, nodes[i].Drain)
		_, err = a.DrainNode(t.Context(), id, api.DrainRequest{})
		require.NoError(t, err)
	}
	close(stop)
	require.Positive(t, count())
	require.Zero(t, in.Stats().Repeats)
	history, err := a.History(t.Context(), "e")
	require.NoError(t, err)
	for _, change := range history {
		require.NotContains(t, []api.Reason{api.ReasonRingLost, api.ReasonExpired, api.ReasonRevoked}, change.Reason, "%+v", history)
	}
}

func TestADrainNeedsRoomElsewhere(t *testing.T) {
	c := drainable(t, func(i int, cfg *node.Config) {
		if i > 0 {
			cfg.Memory = 1 << 16
		}
	})
	for i := range c.nodes[1:] {
		g, err := c.stage(i+1, "full").AcquireLease(t.Context(), lease.Request{Kind: lease.KindMemory, Bytes: 1 << 16, TTL: lease.TTLDefault})
		require.NoError(t, err)
		require.Equal(t, c.nodes[i+1].ID(), g.Locator.Node)
	}
	connect(t, c.stage(0, "from"), c.stage(0, "to"))
	a := c.api(c.nodes[1].Address(), "")
	_, err := a.DrainNode(t.Context(), c.nodes[0].ID(), api.DrainRequest{Drain: api.DrainUntilEnabled})
	require.ErrorIs(t, err, api.ErrNoRoom)
	require.ErrorContains(t, err, "rings: e")
	left, err := a.DrainNode(t.Context(), c.nodes[0].ID(), api.DrainRequest{Drain: api.DrainUntilEnabled, Force: true})
	require.NoError(t, err)
	require.Equal(t, 1, left.Rings)
	require.Equal(t, "e", left.Edges[0].Name)
}

// A node that is ineligible keeps its ring, though it was started again, and nothing new is placed there until it is eligible.
func TestAnIneligibleNodeIsPassedOver(t *testing.T) {
	c := drainable(t, func(int, *node.Config) {})
	connect(t, c.stage(0, "from"), c.stage(0, "to"))
	a, here := c.api(c.nodes[1].Address(), ""), c.nodes[0].ID()
	ring := func() locator.NodeID {
		e, err := a.Edge(t.Context(), "e", api.Default)
		require.NoError(t, err)
		return e.Locator.Node
	}
	move := func() error { // the sides are on the first node, so a ring is best there
		_, err := a.Relocate(t.Context(), "e", api.RelocateRequest{})
		return err
	}
	require.Equal(t, here, ring())
	require.NoError(t, a.SetEligibility(t.Context(), here, false))
	left, err := a.DrainStatus(t.Context(), here)
	require.NoError(t, err)
	require.Equal(t, 1, left.Rings, "what it has stays")
	require.Equal(t, api.DrainNot, left.Drain)
	eventually(t, move)
	require.NotEqual(t, here, ring())
	c.stop(0)
	c.start(0)
	c.ready()
	nodes, err := a.Nodes(t.Context(), api.Default)
	require.NoError(t, err)
	require.True(t, nodes[0].Ineligible)
	require.NoError(t, a.SetEligibility(t.Context(), here, true))
	eventually(t, func() error {
		if err := move(); err != nil || ring() == here {
			return err
		}
		return errors.New("it is eligible and has nothing yet")
	})
}

// A node that is told to go sees to it that it is not missed, and is used again once it is back.
func TestANodeLeavesEmpty(t *testing.T) {
	c := drainable(t, func(_ int, cfg *node.Config) { cfg.DrainFor = patience })
	out, in := connect(t, c.stage(0, "from"), c.stage(0, "to"))
	stop := make(chan struct{})
	count := flow(t, out, in, stop)
	e, err := c.api(c.nodes[0].Address(), "").Edge(t.Context(), "e", api.Default)
	require.NoError(t, err)
	require.Equal(t, c.nodes[0].ID(), e.Locator.Node)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, c.nodes[0].Drain(ctx))
	e, err = c.api(c.nodes[1].Address(), "").Edge(t.Context(), "e", api.Default)
	require.NoError(t, err)
	require.NotEqual(t, c.nodes[0].ID(), e.Locator.Node)
	c.stop(0)
	time.Sleep(100 * time.Millisecond) // it flows without
	c.start(0)
	c.ready()
	close(stop)
	require.Positive(t, count())
	eventually(t, func() error {
		nodes, err := c.api(c.nodes[0].Address(), "").Nodes(t.Context(), api.Default)
		if err == nil && nodes[0].Drain != api.DrainNot {
			err = fmt.Errorf("not used again: %+v", nodes[0])
		}
		return err
	})
}

// Who cannot be told in time finds out: no node fails to stop for that.
func TestNobodyHasTimeForAGoodBye(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.ready()
	none, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range c.nodes {
		require.NoError(t, c.nodes[i].Drain(none))
	}
}
