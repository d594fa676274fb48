package node_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node"
)

// quiet waits for what must not happen. Shorter would make the test weaker, not fail.
func quiet() { time.Sleep(3 * time.Second) }

// leaderless requires that no running node knows a leader.
func (c *cluster) leaderless() {
	c.t.Helper()
	for i, n := range c.nodes {
		if n != nil {
			require.Contains(c.t, fmt.Sprint(n.Problems()), "no leader", "node %d", i)
		}
	}
}

func (c *cluster) clusterID(i int) string {
	c.t.Helper()
	s, err := c.api(c.nodes[i].Address(), "").Status(c.t.Context())
	require.NoError(c.t, err)
	return s.Cluster
}

// seaweedfs#10880: a node that is told to found, and has founded, is started again and reaches nobody. It waits; even if the
// number that it is told is one.
func TestAnIsolatedNodeFoundsNothingOnceItHasACluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.ready()
	c.session(0, "s1")
	changed, err := c.api(c.nodes[0].Address(), "s1").Change(t.Context(), change("s1", "e", 0))
	require.NoError(t, err)
	id := c.clusterID(0)
	for i := range c.nodes {
		c.stop(i)
	}
	c.cfgs[0].BootstrapExpect = 1
	c.start(0)
	quiet()
	c.leaderless()
	c.start(1)
	c.start(2)
	c.ready()
	for i, n := range c.nodes {
		require.Equal(t, id, c.clusterID(i))
		e, err := c.api(n.Address(), "").Edge(t.Context(), "e", api.Default)
		require.NoError(t, err)
		require.Equal(t, changed.Revision, e.Revision)
	}
}

// hashicorp/raft#122: two of three are wiped, and told to found. With the third there, that has state, they found nothing, and
// nothing is rolled back; the one that has it all is not outvoted by two that know nothing.
func TestOneStaleNodeAndTwoNewOnesFoundNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.ready()
	id := c.clusterID(0)
	for i := range c.nodes {
		c.stop(i)
	}
	for i := 1; i < 3; i++ {
		require.NoError(t, os.RemoveAll(c.cfgs[i].DataDir))
	}
	for i := range c.nodes {
		c.start(i)
	}
	quiet()
	c.leaderless()
	require.Contains(t, []string{"", id}, c.clusterID(0), "it may not have been told how much of its log is committed")
	for i := 1; i < 3; i++ {
		require.Empty(t, c.clusterID(i))
	}
}

// Nodes that were told different numbers found nothing, and say so. No two were told the same: two that see each other before they see the third
// may found a cluster of two.
func TestFoundersMustAgree(t *testing.T) {
	t.Parallel()
	c := newClusterOf(t, 3, func(i int, cfg *node.Config) { cfg.BootstrapExpect = 2 + i })
	quiet()
	c.leaderless()
	for i := range c.nodes {
		require.Empty(t, c.clusterID(i))
	}
}
