package integration

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	log "github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/lease"
)

// Enough lines, slowly enough, that something is under way while the faults come.
const (
	someLines = 6000
	someRate  = 1500
)

func TestNoFault(t *testing.T) {
	needsTime(t)
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, 0)
	p.finish()
}

// A stage's process dies: it is started again, and goes on.
func TestStageKilled(t *testing.T) {
	for _, stage := range log.Stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			if stage == log.StageIngest || stage == log.StageEnrich {
				needsTime(t)
			}
			c := newCluster(t, 3)
			p := newPipeline(t, c, someLines, someRate)
			for range 3 {
				p.flows(500)
				p.stages[stage].kill()
			}
			p.finish()
		})
	}
}

// The node that has a ring between hosts dies and comes back: the edge moves at once, and the stages there lose nothing.
func TestRingNodeKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	p.flows(500)
	before := c.edge(log.EdgeParse)
	nd := c.byID(before.Locator.Node)
	nd.kill()
	eventually(t, "the edge has moved", func(context.Context) bool {
		return c.edge(log.EdgeParse).Generation > before.Generation
	})
	require.NotEqual(t, before.Locator.Node, c.edge(log.EdgeParse).Locator.Node)
	p.flows(300)
	nd.start()
	nd.ready()
	p.finish()
}

// A node restarts while both sides of a ring are mapped on its host: the ring is handed back and nothing moves.
func TestNodeRestartKeepsRings(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	p.flows(500)
	before := c.edge(log.EdgeIngest)
	nd := c.nodes[stageNodes[log.StageIngest]]
	require.Equal(t, nd, c.byID(before.Locator.Node), "the ring lies where both its sides are")
	nd.kill()
	nd.start()
	nd.ready()
	p.flows(500)
	after := c.edge(log.EdgeIngest)
	require.Equal(t, before.Locator, after.Locator, "nothing has moved")
	require.Equal(t, before.Producer.Session, after.Producer.Session)
	p.finish()
}

// The Raft leader dies: edges flow on, and a takeover waits for the next leader.
func TestLeaderKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	for range 2 {
		p.flows(500)
		leader := c.leader()
		leader.kill()
		p.stages[elsewhere(c, leader)].kill()
		p.flows(500)
		leader.start()
		leader.ready()
	}
	p.finish()
}

// elsewhere returns a stage that is not attached to nd: one that can start again while nd is away.
func elsewhere(c *cluster, nd *node) string {
	for _, stage := range []string{log.StageEnrich, log.StageStore} {
		if c.nodes[stageNodes[stage]] != nd {
			return stage
		}
	}
	panic("two stages share a node that should not")
}

// A ring's lease is taken back: the edge takes new memory.
func TestLeaseRevoked(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	for _, name := range []string{log.EdgeIngest, log.EdgeParse, log.EdgeEnrich} {
		p.flows(300)
		before := c.edge(name)
		require.NoError(t, c.leader().api.RevokeLease(t.Context(), lease.ID(before.Locator.Arena), ""))
		eventually(t, name+" has new memory", func(context.Context) bool { return c.edge(name).Generation > before.Generation })
	}
	p.finish()
}

// An operator moves edges while they flow.
func TestPlannedMoves(t *testing.T) {
	needsTime(t) // TestNothingIsLeft moves, too
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	for range 3 {
		p.flows(300)
		for _, name := range []string{log.EdgeIngest, log.EdgeParse, log.EdgeEnrich} {
			_, err := c.leader().api.Relocate(t.Context(), name, api.RelocateRequest{})
			require.NoError(t, err)
		}
	}
	p.finish()
}

// Without a majority edges flow on; with one again, everything else does.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	p := newPipeline(t, c, someLines, someRate)
	p.flows(500)
	// The two nodes on which no edge between hosts depends would be needed for this to be about the quorum alone; so the
	// rings may move afterwards, but nothing is lost.
	c.nodes[1].signal(syscall.SIGSTOP)
	c.nodes[2].signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	eventually(t, "the one that is left says so", func(context.Context) bool {
		_, err := c.nodes[0].api.Edge(ctx, log.EdgeIngest, api.Strict)
		return err != nil
	})
	_, err := c.nodes[0].api.Edge(ctx, log.EdgeIngest, api.Stale)
	require.NoError(t, err, "stale reads go on")
	c.nodes[1].signal(syscall.SIGCONT)
	c.nodes[2].signal(syscall.SIGCONT)
	p.finish()
}
