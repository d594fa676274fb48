package node_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric/rdma/verbsfake"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/internal/keyfile"
	"github.com/grafnode/grafnode/node"
)

// TestAnEdgeMovesBetweenFabrics has an edge's ring move between the host of its producer, that of its consumer, and one that wants no RDMA: so
// the producer writes it in shared memory, by its adapter, and over TCP, in all orders.
func TestAnEdgeMovesBetweenFabrics(t *testing.T) {
	network := verbsfake.NewNetwork(1)
	var hosts []*verbsfake.Host
	for i := range 3 {
		hosts = append(hosts, network.Host(fmt.Sprint("host", i)))
	}
	c := newClusterOf(t, 3, func(i int, cfg *node.Config) {
		if cfg.Adapters = hosts[i]; i == 2 {
			cfg.Fabric = "tcp"
		}
	})
	c.ready()
	a := c.api(c.nodes[0].Address(), "")
	eventually(t, func() error { // what a stage knows of adapters it learns when it comes
		nodes, err := a.Nodes(t.Context(), api.Stale)
		for _, n := range nodes {
			if err == nil && n.ID != c.nodes[2].ID() && n.Direct == "" {
				err = fmt.Errorf("%s gossips no adapter", n.Name)
			}
		}
		return err
	})
	out, in := connect(t, c.stageWith(0, "from", hosts[0]), c.stageWith(1, "to", hosts[1]))
	last := 0
	for _, at := range []int{1, 2, 0, 1, 0, 2, 1} {
		t.Run(fmt.Sprint("on-", at), func(t *testing.T) {
			if out.Locator().Node != c.nodes[at].ID() {
				var avoid []int
				for i := range c.nodes {
					if i != at {
						avoid = append(avoid, i)
					}
				}
				_, err := a.Relocate(t.Context(), "e", api.RelocateRequest{Avoid: ids(c, avoid...)})
				require.NoError(t, err)
			}
			last = c.passUntilOn(t, out, in, last, at)
			before := hosts[0].Counts().Bytes
			pass(t, out, in, last+1, last+500)
			last += 500
			if at == 1 {
				require.Greater(t, hosts[0].Counts().Bytes, before+500*len("item 1"), "the adapter carried nothing")
			} else {
				require.Equal(t, before, hosts[0].Counts().Bytes, "the adapter carried records")
			}
		})
	}
	require.Zero(t, hosts[1].Counts().Bytes+hosts[2].Counts().Bytes)
}

// Where nodes speak TLS an edge goes by an adapter by itself if both hosts' nodes trust the network.
func TestAdaptersUnderTLS(t *testing.T) {
	const ours, others = "fd00::/48", "fd00:0:0:1::/64"
	for name, c := range map[string]struct {
		trusted [2][]string // of the producer's node, and the ring's
		carried bool
	}{
		"trusted":                  {[2][]string{{others, ours}, {ours}}, true},
		"nobody says so":           {},
		"another network":          {trusted: [2][]string{{others}, {others}}},
		"the producer's node only": {trusted: [2][]string{{ours}, nil}},
		"the ring's node only":     {trusted: [2][]string{nil, {ours}}},
	} {
		t.Run(name, func(t *testing.T) {
			house, network := identitytest.New(t), verbsfake.NewNetwork(1)
			hosts := []*verbsfake.Host{network.Host("host0"), network.Host("host1")}
			keys := filepath.Join(t.TempDir(), "keys")
			require.NoError(t, os.WriteFile(keys, []byte(keyfile.New()), 0o600))
			cluster := newClusterOf(t, 2, func(i int, cfg *node.Config) {
				cfg.TLS, cfg.GossipKeys = house.Member(cfg.Name, identity.Server), keys
				cfg.Adapters, cfg.FabricTrusted = hosts[i], c.trusted[i]
			})
			cluster.ready()
			a := cluster.api(cluster.cfgs[0].Socket, "")
			eventually(t, func() error {
				nodes, err := a.Nodes(t.Context(), api.Stale)
				for _, n := range nodes {
					if err == nil && n.ID == cluster.nodes[1].ID() && (n.Direct == "") == slices.Contains(c.trusted[1], ours) {
						err = fmt.Errorf("%s gossips adapter %q", n.Name, n.Direct)
					}
				}
				return err
			})
			out, in := connect(t, cluster.stageWith(0, "from", hosts[0]), cluster.stageWith(1, "to", hosts[1]))
			if out.Locator().Node != cluster.nodes[1].ID() {
				_, err := a.Relocate(t.Context(), "e", api.RelocateRequest{Avoid: ids(cluster, 0)})
				require.NoError(t, err)
			}
			last := cluster.passUntilOn(t, out, in, 0, 1)
			before := hosts[0].Counts().Bytes
			pass(t, out, in, last+1, last+100)
			require.Equal(t, c.carried, hosts[0].Counts().Bytes > before)
		})
	}
}

// passUntilOn passes items until both sides have followed the edge to node at, and returns the last item's number.
func (c *cluster) passUntilOn(t *testing.T, out *edge.Producer[string], in *edge.Consumer[string], last, at int) int {
	t.Helper()
	eventually(t, func() error {
		pass(t, out, in, last+1, last+100)
		last += 100
		if out.Locator().Node != c.nodes[at].ID() || in.Locator().Node != c.nodes[at].ID() {
			return fmt.Errorf("the edge is on %s, the consumer on %s", out.Locator().Node, in.Locator().Node)
		}
		return nil
	})
	return last
}

// stageWith is stage on a host with an adapter.
func (c *cluster) stageWith(i int, name string, h *verbsfake.Host) *client.Client {
	c.t.Helper()
	cl, err := client.Dial(c.t.Context(), client.Config{
		Socket: c.cfgs[i].Socket, Stage: name, TTL: 30 * time.Second, Logger: slog.New(slog.DiscardHandler), Adapters: h,
		Heartbeat: time.Second, // no test of silence
	})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = cl.Close() })
	return cl
}
