package membership

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/locator"
)

func of(cluster string) func(*Config) {
	return func(cfg *Config) { cfg.Self.Cluster, cfg.Self.Level, cfg.Self.Needs = cluster, 2, 2 }
}

// c was of the cluster before it was recovered without c. It meets a, and is not taken in; b, which has no cluster yet, is.
func TestNodesOfAnotherClusterAreRefused(t *testing.T) {
	configure := func(id, ip string, change func(*Config), join ...string) Config {
		cfg := config(id, ip, join...)
		change(&cfg)
		return cfg
	}
	a := start(t, configure("a", "127.0.0.1", of("one.2")))
	b := start(t, configure("b", "127.0.0.2", of(""), a.Address()))
	c := start(t, configure("c", "127.0.0.3", of("one"), a.Address(), b.Address()))
	await(t, b, "with a and c", seesAll("a", "c"))
	await(t, a, "with b", seesAll("b"))
	eventually(t, a, func() error {
		if strangers := a.Strangers(); len(strangers) != 1 || strangers[0].ID != "c" || strangers[0].Cluster != "one" {
			return fmt.Errorf("a knows the strangers %+v", strangers)
		}
		return nil
	})
	for _, m := range append(a.Members(), c.Members()...) {
		require.Equal(t, m.ID == "c", m.Cluster == "one", "%+v", m)
	}
	require.Len(t, a.Members(), 2)

	// Now b learns where it belongs, and knows c no more.
	require.NoError(t, b.Update(Self{Cluster: "one.2", Level: 2, Needs: 2}))
	require.Len(t, b.Members(), 2)
	strangers := b.Strangers()
	require.Len(t, strangers, 1)
	require.Equal(t, locator.NodeID("c"), strangers[0].ID)
	await(t, a, "told of b's cluster", func(m map[locator.NodeID]Member) bool { return m["b"].Cluster == "one.2" && m["b"].Level == 2 })
}

// All nodes but one restart together. The one that stays remembers higher incarnations of theirs than they begin with
// (memberlist#311); they remember each other from their files alone.
func TestAllRestartTogether(t *testing.T) {
	dir := t.TempDir()
	witness := start(t, config("w", "127.0.0.1"))
	ids := []string{"a", "b", "c"}
	var cfgs []Config
	var all []*Gossip
	for i, id := range ids {
		cfg := config(id, fmt.Sprintf("127.0.0.%d", 2+i), witness.Address())
		cfg.PeersFile = filepath.Join(dir, id)
		all, cfgs = append(all, start(t, cfg)), append(cfgs, cfg)
	}
	for free := range uint64(3) { // each is a higher incarnation
		for _, g := range all {
			require.NoError(t, g.Update(Self{Free: free}))
		}
		for _, g := range append(all, witness) {
			await(t, g, "told", func(m map[locator.NodeID]Member) bool {
				return seesAll("w", "a", "b", "c")(m) && m["a"].Free == free && m["b"].Free == free && m["c"].Free == free
			})
		}
	}
	for i, g := range all {
		cfgs[i].BindPort = int(g.opened().LocalNode().Port)
		cfgs[i].Join = nil
		require.NoError(t, g.Close())
	}
	for i, cfg := range cfgs {
		cfg.Logger = slog.New(slog.DiscardHandler)
		all[i] = start(t, cfg)
	}
	for _, g := range append(all, witness) {
		await(t, g, "together again", seesAll("w", "a", "b", "c"))
	}
}

// eventually waits for what g's changes may bring.
func eventually(t *testing.T, g *Gossip, f func() error) {
	t.Helper()
	await(t, g, "as expected", func(map[locator.NodeID]Member) bool { return f() == nil })
}
