package integration

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	log "github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/registry/state"
)

// Every node is restarted in its turn while a pipeline runs, its rings moved away before: no stage ends, no ring is lost, and the store has
// every line once.
func TestARollingRestartDoesNotShow(t *testing.T) {
	needsTime(t)
	t.Parallel()
	c := prepareCluster(t, 3)
	for _, nd := range c.nodes {
		nd.args = append(nd.args, "--drain-on-stop", "30s")
	}
	c.start()
	eventually(t, "the cluster can drain", func(ctx context.Context) bool {
		h, err := c.nodes[0].api.Health(ctx)
		return err == nil && h.Level >= state.Level
	})
	p := newPipeline(t, c, 24000, 2000)
	p.flows(500)
	before := map[string]int{}
	for name, proc := range p.stages {
		before[name] = proc.pid()
	}
	for _, nd := range c.nodes {
		s, err := nd.api.Status(t.Context())
		require.NoError(t, err)
		nd.signal(syscall.SIGTERM)
		require.NoError(t, nd.wait())
		for _, edge := range []string{log.EdgeIngest, log.EdgeParse, log.EdgeEnrich} {
			require.NotEqual(t, s.Node, c.edge(edge).Locator.Node, "%s was left behind", edge)
		}
		p.flows(200)
		nd.start()
		nd.ready()
		p.flows(200)
	}
	for name, proc := range p.stages {
		require.Equal(t, before[name], proc.pid(), "stage %s has ended", name)
	}
	for _, edge := range []string{log.EdgeIngest, log.EdgeParse, log.EdgeEnrich} {
		history, err := c.leader().api.History(t.Context(), edge)
		require.NoError(t, err)
		for _, change := range history {
			require.NotContains(t, []api.Reason{api.ReasonRingLost, api.ReasonExpired, api.ReasonGone}, change.Reason, "%s: %+v", edge, history)
		}
	}
	p.finish()
}
