package membership

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/grafnode/grafnode/locator"
)

// Config is what a Gossip needs.
type Config struct {
	NodeID           locator.NodeID
	Name             string // for people
	Zone             string
	BindAddr         string   // IP for gossip, UDP and TCP; 0.0.0.0: all, advertising the first private one
	BindPort         int      // zero: any free one
	AdvertiseAddress string   // host:port of the node's port for Raft, API and data
	Join             []string // host:port of the gossip of some other nodes; none: this is the first
	// Seeds, unless nil, returns more such addresses, and is asked before each look for others: what it says may change. With an error it
	// returns those that it has nevertheless. It is called by one goroutine at a time and must not block for long.
	Seeds     func() ([]string, error)
	Expect    int      // how many nodes form the cluster; zero: this one only joins
	PeersFile string   // remembers other nodes over a restart; empty: nothing does
	Label     string   // the cluster's name: gossip under another label is discarded
	Version   string   // of this grafnode
	Direct    string   // see Member.Direct
	Keys      [][]byte // KeyBytes each: the first encrypts gossip, all decrypt it; none: it is not encrypted
	Self      Self     // what to say at the start; Update changes it
	Logger    *slog.Logger
	Timing    Timing // zero: Fast()

	// wrap lets tests cut the network.
	wrap func(memberlist.NodeAwareTransport) memberlist.NodeAwareTransport
}

// Timing is how fast gossip is. Shorter times notice failures earlier, and see failures where there is only a busy CPU.
type Timing struct {
	ProbeEvery      time.Duration // one other member is probed that often
	ProbeTimeout    time.Duration // a direct answer takes at most that long
	GossipEvery     time.Duration
	SyncEvery       time.Duration // exchange of the whole state with one member
	GossipToTheDead time.Duration // a dead member still gets gossip that long, so that it can refute
	Reclaim         time.Duration // a dead member's ID may come back with another address after that
	RejoinEvery     time.Duration // those not alive are looked for that often, give or take half of it
	Stream          time.Duration // limit for a TCP exchange; Close may take that long
	Forget          time.Duration // a member not seen for that long is not looked for any more
}

// Fast returns the default: a dead node is noticed after 3 to 3.5 seconds in a cluster of three to five.
func Fast() Timing {
	return Timing{
		ProbeEvery: 500 * time.Millisecond, ProbeTimeout: 250 * time.Millisecond, GossipEvery: 250 * time.Millisecond,
		SyncEvery: 10 * time.Second, GossipToTheDead: 30 * time.Second, Reclaim: 30 * time.Second,
		RejoinEvery: 12 * time.Second, Stream: 2 * time.Second, Forget: 24 * time.Hour,
	}
}

const labelPrefix = "grafnode/"

// Validate reports what is wrong with c.
func (c Config) Validate() error {
	if c.NodeID == "" {
		return errors.New("membership: no node ID")
	}
	if err := checkText(string(c.NodeID)); err != nil {
		return fmt.Errorf("membership: node ID: %w", err)
	}
	if err := c.meta().validate(); err != nil {
		return fmt.Errorf("membership: %w", err)
	}
	if _, err := netip.ParseAddr(c.BindAddr); err != nil {
		return fmt.Errorf("membership: gossip address: %w", err)
	}
	if c.BindPort < 0 || c.BindPort > 65535 {
		return fmt.Errorf("membership: gossip port %d, must be 0 to 65535", c.BindPort)
	}
	if err := checkKeys(c.Keys); err != nil {
		return err
	}
	for _, seed := range c.Join {
		if host, port, err := net.SplitHostPort(seed); err != nil || host == "" || port == "" || strings.Contains(seed, "/") {
			return fmt.Errorf("membership: cannot join %q: must be host:port", seed)
		}
	}
	if n := len(labelPrefix) + len(c.Label); n > memberlist.LabelMaxSize {
		return fmt.Errorf("membership: label of %d bytes, at most %d", len(c.Label), memberlist.LabelMaxSize-len(labelPrefix))
	}
	return nil
}

func (c Config) meta() meta {
	return meta{
		hasState: c.Self.HasState, free: c.Self.Free, cluster: c.Self.Cluster, expect: c.Expect,
		name: c.Name, zone: c.Zone, address: c.AdvertiseAddress, version: c.Version, direct: c.Direct,
		level: max(1, c.Self.Level), needs: max(1, c.Self.Needs),
	}
}

// memberlist returns the library's configuration.
func (c Config) memberlist(g *Gossip) *memberlist.Config {
	l := memberlist.DefaultLANConfig()
	l.Name = string(c.NodeID) // not the host's: names must be unique, and survive a change of address
	l.BindAddr, l.BindPort, l.AdvertisePort = c.BindAddr, c.BindPort, c.BindPort
	l.Label = labelPrefix + c.Label
	l.Logger = newLogger(c.Logger)
	l.Keyring = g.keyring       // nil without keys. What is not encrypted by one of them is refused
	l.EnableCompression = false // messages are small, and what is not decompressed cannot explode
	l.ProbeInterval, l.ProbeTimeout = c.Timing.ProbeEvery, c.Timing.ProbeTimeout
	l.GossipInterval, l.GossipToTheDeadTime = c.Timing.GossipEvery, c.Timing.GossipToTheDead
	l.PushPullInterval, l.TCPTimeout = c.Timing.SyncEvery, c.Timing.Stream
	l.DeadNodeReclaimTime = c.Timing.Reclaim
	l.MsgpackUseNewTimeFormat = true
	l.Delegate, l.Events, l.Ping, l.Conflict, l.Alive = &g.self, g.cache, g.cache, g.cache, g.cache
	// Not to disable anything: memberlist asks exactly when a direct probe of the node has failed, and says so nowhere else.
	l.DisableTcpPingsForNode = g.cache.probeFailed
	return l
}
