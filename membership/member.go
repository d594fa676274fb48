package membership

import "github.com/grafnode/grafnode/locator"

// Health is how a member looks from here.
type Health string

// The healths. There is no other.
const (
	Alive   Health = "alive"
	Suspect Health = "suspect" // alive as far as gossip knows, but did not answer this node's own last probe
	Dead    Health = "dead"    // gossip has given it up
	Left    Health = "left"    // it said that it was leaving, and went
)

// Member is what a node says of itself, and how it looks from here. It is a copy: nobody else changes it.
type Member struct {
	ID       locator.NodeID
	Name     string
	Zone     string
	Address  string // host:port of its one port for Raft, API and data
	Gossip   string // host:port of its gossip
	Health   Health
	Free     uint64 // bytes that it can still lend
	Expect   int    // how many nodes it wants to see before it forms a cluster; zero: it only joins
	HasState bool   // it belongs to a cluster already
	Cluster  string // which; empty: not known to it yet
	Version  string // of its grafnode
	Level    uint64 // newest version of the replicated state that it knows; 1 if it does not say
	Needs    uint64 // version of the state that it holds: who knows less cannot be taken in by it
	Direct   string // where its adapter for RDMA is reached, and the network, such as 10.1.0.7/24; empty: it has none
}

// Self is what changes of what a node says of itself.
type Self struct {
	Free     uint64
	HasState bool
	Cluster  string
	Level    uint64
	Needs    uint64
}
