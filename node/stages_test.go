package node_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/position"
)

// stage dials node i as a stage process would.
func (c *cluster) stage(i int, name string) *client.Client {
	c.t.Helper()
	cl, err := client.Dial(c.t.Context(), client.Config{
		Socket: c.cfgs[i].Socket, Stage: name, TTL: 30 * time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = cl.Close() })
	return cl
}

func at(n int) position.Position { return position.Position{Offset: uint64(n)} }

// drain pops and acknowledges until it has seen item last, and checks that nothing is missing and nothing comes twice.
func drain(ctx context.Context, in *edge.Consumer[string], first, last int) error {
	for n := first; n <= last; n++ {
		m, err := in.Pop(ctx)
		if err != nil {
			return fmt.Errorf("item %d: %w", n, err)
		}
		if want := fmt.Sprint("item ", n); m.Value != want {
			return fmt.Errorf("got %q, want %q", m.Value, want)
		}
		if err := in.Ack(m.Pos); err != nil {
			return err
		}
	}
	return nil
}

func push(ctx context.Context, out *edge.Producer[string], first, last int) error {
	for n := first; n <= last; n++ {
		if err := out.Push(ctx, at(n), fmt.Sprint("item ", n)); err != nil {
			return fmt.Errorf("item %d: %w", n, err)
		}
	}
	return out.Flush()
}

// pass sends items from out to in.
func pass(t *testing.T, out *edge.Producer[string], in *edge.Consumer[string], first, last int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- drain(ctx, in, first, last) }()
	require.NoError(t, push(ctx, out, first, last))
	require.NoError(t, <-drained)
}

func connect(t *testing.T, from, to *client.Client) (*edge.Producer[string], *edge.Consumer[string]) {
	t.Helper()
	return connectBy(t, "e", from, to)
}

// connectBy is connect by an edge of that name.
func connectBy(t *testing.T, name string, from, to *client.Client) (*edge.Producer[string], *edge.Consumer[string]) {
	t.Helper()
	out, err := edge.Produce[string](t.Context(), from, name, edge.StageName("from"), edge.Capacity(1<<16))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // not waiting for acks
		_ = out.Close(ctx)
	})
	in, err := edge.Consume[string](t.Context(), to, name, edge.StageName("to"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = in.Close(context.Background()) })
	return out, in
}

func TestAnEdgeOutlivesTheNodeOfItsRing(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	out, in := connect(t, c.stage(0, "from"), c.stage(1, "to"))
	pass(t, out, in, 1, 2000)

	// Away from both stages, so that the third node can be stopped without any of them losing its session.
	a := c.api(c.nodes[0].Address(), "")
	_, err := a.Relocate(t.Context(), "e", api.RelocateRequest{Avoid: ids(c, 0, 1)})
	require.NoError(t, err)
	pass(t, out, in, 2001, 4000)
	e, err := a.Edge(t.Context(), "e", api.Default)
	require.NoError(t, err)
	require.Equal(t, c.nodes[2].ID(), e.Locator.Node)

	c.stop(2)
	pass(t, out, in, 4001, 6000)
	eventually(t, func() error { // the edge may have moved to its spare before there was a leader to tell
		moved, err := a.Edge(t.Context(), "e", api.Default)
		if err == nil && (moved.Generation <= e.Generation || moved.Locator.Node == e.Locator.Node) {
			err = fmt.Errorf("still there: %+v", moved)
		}
		return err
	})
	require.NoError(t, in.Close(t.Context()))
}

func TestARingOnOneHostOutlivesItsNodesRestart(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	out, in := connect(t, c.stage(0, "from"), c.stage(0, "to"))
	pass(t, out, in, 1, 1000)
	generation := in.Generation()
	require.Equal(t, c.nodes[0].ID(), in.Locator().Node)

	c.stop(0)
	pass(t, out, in, 1001, 2000) // the ring needs no node
	c.start(0)
	c.ready()
	eventually(t, func() error { // and is the node's again
		l, err := c.api(c.nodes[0].Address(), "").Lease(t.Context(), lease.ID(in.Locator().Arena), api.Default)
		if err == nil && l.Incarnation != 2 {
			err = fmt.Errorf("not adopted: %+v", l)
		}
		return err
	})
	pass(t, out, in, 2001, 3000)
	require.Equal(t, generation, in.Generation(), "nothing moved")
}

func TestABlockRegionOutlivesItsNodesRestart(t *testing.T) {
	c := newCluster(t, 1)
	c.ready()
	cl := c.stage(0, "windows")
	grant, err := lease.Block().MinBlocks(4).TTL(30*time.Second).Name("windows.state").Acquire(t.Context(), cl)
	require.NoError(t, err)
	blocks, err := cl.Blocks(grant)
	require.NoError(t, err)
	eventually(t, func() error { return blocks.WriteAt(t.Context(), 5, 1, []byte("kept"), 100) })

	c.stop(0)
	c.start(0)
	c.ready()
	b := make([]byte, 4)
	eventually(t, func() error { return blocks.ReadAt(t.Context(), b, 100) })
	require.Equal(t, "kept", string(b))
	require.Error(t, blocks.WriteAt(t.Context(), 4, 9, []byte("late"), 100))
}

func TestMetricsShowWhatStagesReport(t *testing.T) {
	c := newCluster(t, 1)
	c.ready()
	c.level() // before it, a ring counts with less
	cl := c.stage(0, "from")
	out, in := connect(t, cl, cl)
	pass(t, out, in, 1, 100)
	require.NoError(t, cl.Report(t.Context(), api.StageReport{Stage: "from", Edges: []api.EdgeReport{out.Stats(), in.Stats()}}))
	eventually(t, func() error {
		resp, err := http.Get("http://" + c.nodes[0].Address() + "/metrics")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		for _, want := range []string{
			`grafnode_edge_items_total{edge="e",role="producer"} 100`, `grafnode_edge_items_total{edge="e",role="consumer"} 100`,
			`grafnode_edge_generation{edge="e"} `, `grafnode_ring_capacity_bytes{edge="e"} 65536`, `grafnode_raft_leader 1`,
			`grafnode_gossip_members{health="alive"} 1`, `grafnode_edge_generation_changes_total{reason="created"} 1`,
			`grafnode_edge_generation_changes_total{reason="takeover"} 1`,
			`grafnode_stage_sessions{stage="from"} 1`, fmt.Sprintf("grafnode_memory_leased_bytes %d\n", 65536+lease.RingOverhead),
		} {
			if err == nil && !strings.Contains(string(b), want) {
				err = fmt.Errorf("no %s in\n%s", want, b)
			}
		}
		return err
	})
	http.DefaultClient.CloseIdleConnections()
}

// The registry has no part in a move to the spare but to be told of it.
func TestAnEdgeMovesToItsSpare(t *testing.T) {
	c := newCluster(t, 3)
	c.ready()
	c.level()
	out, in := connect(t, c.stage(0, "from"), c.stage(1, "to"))
	pass(t, out, in, 1, 1000)
	a := c.api(c.nodes[0].Address(), "")
	_, err := a.Relocate(t.Context(), "e", api.RelocateRequest{Avoid: ids(c, 0, 1)})
	require.NoError(t, err)
	pass(t, out, in, 1001, 2000)
	var e api.Edge
	eventually(t, func() (err error) {
		e, err = a.Edge(t.Context(), "e", api.Default)
		if err == nil && (e.Spare == nil || out.Stats().Spare != e.Spare.Generation || in.Stats().Spare != e.Spare.Generation) {
			err = fmt.Errorf("no spare: %+v, %+v", e.Spare, out.Stats())
		}
		return err
	})
	require.Equal(t, c.nodes[2].ID(), e.Locator.Node)
	require.NotEqual(t, c.nodes[2].ID(), e.Spare.Locator.Node)

	planned := out.Stats().Moves // went to a spare of its own
	c.stop(2)
	pass(t, out, in, 2001, 4000)
	require.Equal(t, e.Spare.Generation, out.Generation())
	require.Equal(t, e.Spare.Generation, in.Generation())
	require.Equal(t, planned+1, out.Stats().Moves)
	eventually(t, func() error {
		now, err := a.Edge(t.Context(), "e", api.Default)
		if err == nil && now.Generation != e.Spare.Generation {
			err = fmt.Errorf("not confirmed: %+v", now)
		}
		return err
	})
	past, err := a.History(t.Context(), "e")
	require.NoError(t, err)
	reasons := map[api.Reason]int{}
	for _, change := range past {
		reasons[change.Reason]++
	}
	require.Equal(t, 1, reasons[api.ReasonMoved], "%+v", past)
	require.NoError(t, in.Close(t.Context()))
}
