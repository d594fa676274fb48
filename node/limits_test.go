package node_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/node"
)

// What a node lends and bears is changed while it runs: the cluster hears of it, what there is stays, and what comes is measured by it.
func TestLimitsAreReloaded(t *testing.T) {
	c := drainable(t, func(int, *node.Config) {})
	out, in := connect(t, c.stage(0, "from"), c.stage(0, "to"))
	require.NoError(t, out.Push(t.Context(), at(1), "item 1")) // so that the ring has its memory
	require.NoError(t, drain(t.Context(), in, 1, 1))
	a := c.api(c.nodes[1].Address(), "")
	reload := func(change func(*node.Config)) error {
		changed := c.cfgs[0]
		change(&changed)
		return c.nodes[0].Reload(changed)
	}
	lends := func(memory uint64) {
		t.Helper()
		eventually(t, func() error {
			nodes, err := a.Nodes(t.Context(), api.Default)
			if err == nil && nodes[0].Memory != memory {
				err = fmt.Errorf("it lends %d", nodes[0].Memory)
			}
			return err
		})
	}
	acquire := func() (lease.Grant, error) {
		return c.stage(0, "more").AcquireLease(t.Context(), lease.Request{Kind: lease.KindMemory, Bytes: 1 << 16, TTL: lease.TTLDefault})
	}
	require.NoError(t, reload(func(c *node.Config) { c.Memory = 1 << 16 }))
	lends(1 << 16)
	e, err := a.Edge(t.Context(), "e", api.Default)
	require.NoError(t, err)
	require.Equal(t, c.nodes[0].ID(), e.Locator.Node, "what it has stays")
	g, err := acquire()
	require.NoError(t, err)
	require.NotEqual(t, c.nodes[0].ID(), g.Locator.Node, "it is full")

	require.NoError(t, reload(func(c *node.Config) { c.Memory = 128 << 20 }))
	lends(128 << 20)
	c.stop(0) // it comes back with what its configuration says
	c.start(0)
	c.ready()
	lends(64 << 20)

	for setting, change := range map[string]func(*node.Config){
		"memory":               func(c *node.Config) { c.Memory = 1 << 62 },
		"max-connections":      func(c *node.Config) { c.MaxConns = 63 },
		"max-peer-connections": func(c *node.Config) { c.MaxConns, c.MaxPeerConns = 64, 48 },
		"max-sessions":         func(c *node.Config) { c.MaxSessions = -1 },
	} {
		wrong := new(node.ConfigError)
		require.ErrorAs(t, reload(func(c *node.Config) { c.Memory = 32 << 20; change(c) }), &wrong, setting)
		require.Equal(t, setting, wrong.Setting)
	}
	lends(64 << 20)
}
