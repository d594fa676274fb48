package registry

import (
	"strings"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

// namedLevel is the level of the state from which on every member understands the cluster's name on Raft connections.
const namedLevel = 2

// family returns what a cluster's ID has in common before and after recoveries, each of which counts a suffix up.
func family(cluster string) string {
	before, _, _ := strings.Cut(cluster, ".")
	return before
}

// allegiance returns what this node says and asks for on Raft connections when it holds s. A recovered cluster demands its name:
// a member of the group before, which knows this server by ID and address, must not be heard.
func (c Config) allegiance(s *State) raftguard.Allegiance {
	cluster := s.Cluster()
	if cluster == "" {
		cluster = c.Cluster
	}
	recovered := family(cluster) != cluster
	return raftguard.Allegiance{Cluster: cluster, Say: recovered || levelOf(s) >= namedLevel, Demand: recovered}
}

// introduce tells the transport when the state has come to say something else of the cluster. Only the machine's goroutine calls it.
func (r *Registry) introduce() {
	if now := r.cfg.allegiance(r.machine.state); now != r.belongs {
		r.belongs = now
		r.transport.Belong(now)
	}
}
