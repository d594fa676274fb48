package node

import (
	"slices"
	"strings"

	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

// nextVoter returns a node that the leader should add to the Raft group, or whose address it should correct: one that
// gossip says is alive, of this cluster or of none, and not in the group under that address. One at a time, in the order
// of their IDs, so that every leader does the same. Nodes are never removed: gossip cannot tell the dead from the
// unreachable, and a group that shrinks by itself loses its majority to a cut.
func nextVoter(cluster string, servers []registry.Server, members []membership.Member) (registry.Peer, bool) {
	slices.SortFunc(members, func(a, b membership.Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for _, m := range members {
		at := slices.IndexFunc(servers, func(s registry.Server) bool { return s.ID == m.ID })
		switch {
		case m.Health != membership.Alive || m.Address == "":
		case m.Cluster != cluster && m.Cluster != "": // of another cluster that gossips with ours: membership says so
		case at < 0 && m.HasState && m.Cluster == "": // its state is of an unknown origin; it will know in a moment, or never
		case at < 0, servers[at].Address != m.Address, !servers[at].Voter:
			return registry.Peer{ID: m.ID, Address: m.Address}, true
		}
	}
	return registry.Peer{}, false
}
