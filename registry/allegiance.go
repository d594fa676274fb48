package registry

import (
	"slices"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
	"github.com/grafnode/grafnode/registry/state"
)

// namedLevel is the level of the state from which on every member says on Raft connections which cluster it belongs to.
const namedLevel = 2

// cluster returns the ID of the cluster that this node belongs to, empty if it has none yet. The state counts; until it has been
// replayed, what was known outside.
func (r *Registry) cluster() string {
	if cluster := r.State().Cluster(); cluster != "" {
		return cluster
	}
	return r.cfg.Cluster
}

// strict reports whether a peer must say its cluster to be heard: because everybody does by now, or because this cluster was
// recovered, and members of the group before know this server by its ID and address.
func (r *Registry) strict() bool {
	cluster := r.cluster()
	return state.Family(cluster) != cluster || r.State().Level() >= namedLevel
}

// openTransport starts what carries Raft's messages.
func (r *Registry) openTransport() *raftguard.Transport {
	return raftguard.NewTransport(raftguard.TransportConfig{
		Layer: r.cfg.Layer, Self: raft.ServerID(r.cfg.NodeID), Address: r.cfg.Address, Cluster: r.cluster, Strict: r.strict,
		Heartbeat: r.cfg.Heartbeat, Log: r.store, Logger: r.log,
	})
}

// view is what the transport asks about Raft. It does not block.
func (r *Registry) view() raftguard.View {
	address, leader := r.raft.LeaderWithID()
	servers := slices.Clone(r.raft.GetConfiguration().Configuration().Servers) // raft's own is not to be touched
	return raftguard.View{
		Follows: r.raft.State() == raft.Follower, Leader: raft.Server{ID: leader, Address: address},
		Term: r.raft.CurrentTerm(), Index: r.raft.LastIndex(),
		Voters: slices.DeleteFunc(servers, func(s raft.Server) bool { return s.Suffrage != raft.Voter }),
	}
}
