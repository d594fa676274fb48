package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/locator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick is Fast for machines that do nothing else, and for tests that wait for failures.
func quick() Timing {
	t := Fast()
	t.ProbeEvery, t.ProbeTimeout, t.GossipEvery = 100*time.Millisecond, 50*time.Millisecond, 20*time.Millisecond
	t.GossipToTheDead, t.Reclaim = 200*time.Millisecond, 100*time.Millisecond
	t.SyncEvery, t.RejoinEvery, t.Stream = 500*time.Millisecond, 300*time.Millisecond, time.Second
	return t
}

// network says who reaches whom. Real sockets carry the rest.
type network struct {
	mu  sync.Mutex
	cut map[string]bool // IP addresses that are on the other side
}

// partition puts the members with these addresses on a side of their own; none: heals.
func (n *network) partition(ips ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = make(map[string]bool)
	for _, ip := range ips {
		n.cut[ip] = true
	}
}

func (n *network) reaches(from, to string) bool {
	host, _, _ := net.SplitHostPort(to)
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[from] == n.cut[host]
}

// wire is a member's end of the network.
type wire struct {
	memberlist.NodeAwareTransport
	network *network
	ip      string
}

var errCut = errors.New("the network is cut")

func (w *wire) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if !w.network.reaches(w.ip, a.Addr) {
		return time.Now(), nil // as UDP does: sent, and lost
	}
	return w.NodeAwareTransport.WriteToAddress(b, a)
}

func (w *wire) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	if !w.network.reaches(w.ip, a.Addr) {
		return nil, errCut
	}
	return w.NodeAwareTransport.DialAddressTimeout(a, timeout)
}

func config(id, ip string, join ...string) Config {
	return Config{
		NodeID: locator.NodeID(id), Name: "name-" + id, Zone: "zone-" + id, BindAddr: ip, AdvertiseAddress: ip + ":7000",
		Join: join, Expect: 3, Label: "test", Version: "v0.1.0", Timing: quick(), Logger: slog.New(slog.DiscardHandler),
	}
}

func start(t *testing.T, cfg Config) *Gossip {
	t.Helper()
	g, err := New(cfg)
	require.NoError(t, err)
	require.NoError(t, g.Open())
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

// await waits until g's members are as wanted.
func await(t *testing.T, g *Gossip, what string, wanted func(map[locator.NodeID]Member) bool) {
	t.Helper()
	late := time.After(60 * time.Second)
	for {
		now := make(map[locator.NodeID]Member)
		for _, m := range g.Members() {
			now[m.ID] = m
		}
		if wanted(now) {
			return
		}
		select {
		case <-g.Changes():
		case <-late:
			require.FailNow(t, "not "+what, "%+v", now)
		}
	}
}

func sees(id locator.NodeID, h Health) func(map[locator.NodeID]Member) bool {
	return func(m map[locator.NodeID]Member) bool { return m[id].Health == h }
}

func seesAll(ids ...locator.NodeID) func(map[locator.NodeID]Member) bool {
	return func(m map[locator.NodeID]Member) bool {
		for _, id := range ids {
			if m[id].Health != Alive {
				return false
			}
		}
		return true
	}
}

func three(t *testing.T, change func(*Config)) (a, b, c *Gossip) {
	t.Helper()
	open := func(id, ip string, join ...string) *Gossip {
		cfg := config(id, ip, join...)
		change(&cfg)
		return start(t, cfg)
	}
	a = open("a", "127.0.0.1")
	b = open("b", "127.0.0.2", a.Address())
	c = open("c", "127.0.0.3", a.Address())
	for _, g := range []*Gossip{a, b, c} {
		await(t, g, "together", seesAll("a", "b", "c"))
	}
	return a, b, c
}

func same(*Config) {}

func TestJoinTellsWhatNodesSayOfThemselves(t *testing.T) {
	a, b, c := three(t, same)
	require.NoError(t, b.Update(Self{Free: 77, HasState: true, Cluster: "cluster-1", Level: 2}))
	told := func(m map[locator.NodeID]Member) bool { return m["b"].Cluster == "cluster-1" }
	await(t, a, "told", told)
	await(t, c, "told", told)
	await(t, c, "well", sees("b", Alive))
	for _, m := range c.Members() {
		if m.ID == "b" {
			require.Equal(t, Member{
				ID: "b", Name: "name-b", Zone: "zone-b", Address: "127.0.0.2:7000", Gossip: b.Address(), Health: Alive,
				Free: 77, Expect: 3, HasState: true, Cluster: "cluster-1", Version: "v0.1.0", Level: 2, Needs: 1,
			}, m)
		}
	}
	require.Error(t, b.Update(Self{Cluster: "two words"}))
	require.GreaterOrEqual(t, a.HealthScore(), 0)
}

func TestLeaveIsNotFailure(t *testing.T) {
	a, b, c := three(t, same)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, c.Leave(ctx))
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.Error(t, c.Leave(ctx))
	await(t, a, "left", sees("c", Left))
	await(t, b, "left", sees("c", Left))
}

func TestCrashIsNoticedAndRestartFound(t *testing.T) {
	a, b, c := three(t, same)
	address := c.Address()
	require.NoError(t, c.Close())
	await(t, a, "noticed", sees("c", Dead))
	await(t, b, "noticed", sees("c", Dead))

	// It comes back without any seed: the others look for it.
	cfg := config("c", "127.0.0.3")
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	cfg.BindPort, err = net.LookupPort("udp", port)
	require.NoError(t, err)
	again := start(t, cfg)
	for _, g := range []*Gossip{a, b, again} {
		await(t, g, "together again", seesAll("a", "b", "c"))
	}
}

func TestAddressChange(t *testing.T) {
	a, b, c := three(t, same)
	require.NoError(t, c.Close())
	await(t, a, "noticed", sees("c", Dead))
	await(t, b, "noticed", sees("c", Dead))
	moved := start(t, config("c", "127.0.0.4", a.Address()))
	for _, g := range []*Gossip{a, b} {
		await(t, g, "at the new address", func(m map[locator.NodeID]Member) bool {
			return m["c"].Health == Alive && m["c"].Gossip == moved.Address() && m["c"].Address == "127.0.0.4:7000"
		})
	}
}

// A restarted node whose seeds are gone finds the others by its peers file.
func TestPeersFileOutlastsSeeds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	a, b, c := three(t, func(cfg *Config) {
		if cfg.NodeID == "c" {
			cfg.PeersFile = path
		}
	})
	require.NoError(t, c.Close())
	require.NoError(t, a.Close())
	await(t, b, "noticed", sees("c", Dead))

	cfg := config("c", "127.0.0.5")
	cfg.PeersFile = path
	again := start(t, cfg)
	await(t, again, "found", sees("b", Alive))
	await(t, b, "found", sees("c", Alive))
}

// A partition that lasts until memberlist has forgotten the other side heals all the same.
func TestPartitionHeals(t *testing.T) {
	var n network
	a, b, c := three(t, func(cfg *Config) {
		ip := cfg.BindAddr
		cfg.wrap = func(t memberlist.NodeAwareTransport) memberlist.NodeAwareTransport { return &wire{t, &n, ip} }
	})
	n.partition("127.0.0.3")
	await(t, a, "cut off", sees("c", Dead))
	await(t, b, "cut off", sees("c", Dead))
	await(t, c, "cut off", func(m map[locator.NodeID]Member) bool { return m["a"].Health == Dead && m["b"].Health == Dead })
	// memberlist forgets in silence, so there is nothing to wait for but time. If it were too short, the test would be
	// weaker, not fail.
	time.Sleep(10 * quick().GossipToTheDead)
	n.partition()
	for _, g := range []*Gossip{a, b, c} {
		await(t, g, "healed", seesAll("a", "b", "c"))
	}
}

func TestOtherLabelsAreStrangers(t *testing.T) {
	a := start(t, config("a", "127.0.0.1"))
	cfg := config("b", "127.0.0.2", a.Address())
	cfg.Label = "another"
	b := start(t, cfg)
	_, err := b.opened().Join([]string{a.Address()})
	require.Error(t, err)
	require.Len(t, a.Members(), 1)
	require.Len(t, b.Members(), 1)
}

func TestLifecycle(t *testing.T) {
	cfg := config("a", "127.0.0.1")
	cfg.PeersFile = filepath.Join(t.TempDir(), "peers.json")
	require.NoError(t, os.WriteFile(cfg.PeersFile, []byte("damaged"), 0o600))
	g, err := New(cfg)
	require.NoError(t, err)
	require.Empty(t, g.Members())
	require.Empty(t, g.Address())
	require.Zero(t, g.HealthScore())
	require.Error(t, g.Leave(t.Context()))
	require.NoError(t, g.Open())
	require.Error(t, g.Open())

	taken := config("b", "127.0.0.1")
	_, port, err := net.SplitHostPort(g.Address())
	require.NoError(t, err)
	taken.BindPort, err = net.LookupPort("udp", port)
	require.NoError(t, err)
	other, err := New(taken)
	require.NoError(t, err)
	require.ErrorContains(t, other.Open(), fmt.Sprintf("gossip on 127.0.0.1 port %d", taken.BindPort))
	require.NoError(t, other.Close())

	require.NoError(t, g.Close())
	require.NoError(t, g.Close())
	require.Error(t, g.Open())
}

func TestConfigIsChecked(t *testing.T) {
	for says, change := range map[string]func(*Config){
		"no node ID":           func(c *Config) { c.NodeID = "" },
		"node ID":              func(c *Config) { c.NodeID = "a b" },
		"zone":                 func(c *Config) { c.Zone = "a b" },
		"address":              func(c *Config) { c.AdvertiseAddress = "here" },
		"gossip address":       func(c *Config) { c.BindAddr = "here" },
		"gossip port":          func(c *Config) { c.BindPort = 70000 },
		"cannot join \"seed\"": func(c *Config) { c.Join = []string{"seed"} },
		"nodes expected":       func(c *Config) { c.Expect = -1 },
		"label":                func(c *Config) { c.Label = string(make([]byte, 300)) },
	} {
		cfg := config("a", "127.0.0.1")
		change(&cfg)
		_, err := New(cfg)
		require.ErrorContains(t, err, says)
	}
}
