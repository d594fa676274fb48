package node

import (
	"slices"
	"strings"

	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

// nextVoter returns a node that the leader should add to the Raft group, or whose address it should correct: one that
// gossip says is alive, of this cluster or of none, and not in the group under that address. One at a time, in the order
// of their IDs, so that every leader does the same. Nodes are never removed for being away: gossip cannot tell the dead from
// the unreachable, and a group that shrinks by itself loses its majority to a cut. But a wiped node comes back as another
// one, often at its old address, and Raft takes only one server at an address: gone is the one that must leave it first.
func nextVoter(cluster string, servers []registry.Server, members []membership.Member) (next registry.Peer, gone locator.NodeID, ok bool) {
	slices.SortFunc(members, func(a, b membership.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, m := range members {
		at := slices.IndexFunc(servers, func(s registry.Server) bool { return s.ID == m.ID })
		switch {
		case m.Health != membership.Alive || m.Address == "":
		case m.Cluster != cluster && m.Cluster != "": // of another cluster that gossips with ours: membership says so
		case at < 0 && m.HasState && m.Cluster == "": // its state is of an unknown origin; it will know in a moment, or never
		case at < 0, servers[at].Address != m.Address, !servers[at].Voter:
			if gone, ok = predecessor(m, servers, members); ok {
				return registry.Peer{ID: m.ID, Address: m.Address}, gone, true
			}
		}
	}
	return registry.Peer{}, "", false
}

// predecessor returns the server that the group knows at m's address, if that is another; false if it still lives: then it has
// moved, and is corrected first, or two nodes claim one address, and nothing here can tell which is right.
func predecessor(m membership.Member, servers []registry.Server, members []membership.Member) (locator.NodeID, bool) {
	for _, s := range servers {
		if s.ID == m.ID || s.Address != m.Address {
			continue
		}
		lives := slices.ContainsFunc(members, func(o membership.Member) bool {
			return o.ID == s.ID && (o.Health == membership.Alive || o.Health == membership.Suspect)
		})
		return s.ID, !lives
	}
	return "", true
}
