package registry

import (
	"encoding/binary"
	"iter"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Limits of the state.
const (
	// HistoryMax is how many changes of an edge are remembered.
	HistoryMax = 32
	// EndedMax is how many ended leases and sessions are remembered.
	EndedMax = 4096
	// TombstonesMax is how many deleted edges are remembered one by one. Beyond that they are forgotten together and the
	// floor of all generations rises to the highest of theirs.
	TombstonesMax = 1 << 16
	// CheckpointsMax bounds the number of checkpoints.
	CheckpointsMax = 1 << 16
	// ChangeEdgesMax bounds the edges of one ChangeEdges.
	ChangeEdgesMax = 128
)

// State is the registry's state after some command. It never changes and may be kept and read by any goroutine; what its
// methods return belongs to it and must not be changed.
type State struct {
	cluster  string
	revision api.Revision // of the last command, applied or refused
	term     uint64       // of the same
	// floor is below every generation granted from now on, on any edge. It stands in for forgotten tombstones, and is where a
	// recovery that may have lost log entries will jump to.
	floor     fence.Epoch
	forgotten api.Revision // of the newest forgotten tombstone: a watch from before it cannot be resumed
	endings   uint64       // leases and sessions ever ended

	nodes       tree[Node]
	sessions    tree[Session]
	leases      tree[Lease]
	edges       tree[Record]
	tombstones  tree[Tombstone]
	checkpoints tree[Checkpoint]
	ended       tree[Ended]

	by index
}

// index holds what can be computed from the rest of the state. It is not in snapshots.
type index struct {
	role       tree[string]   // session, edge: the edges on which a session has a role
	holder     tree[lease.ID] // session, lease: the leases outside edges that a session holds
	nodeLease  tree[lease.ID] // node, lease
	nodeMember tree[lease.SessionID]
	region     tree[lease.ID] // named block regions
	leased     tree[uint64]   // node: bytes of memory lent
	change     tree[string]   // revision, edge: each record and tombstone under its last change
	ending     tree[string]   // sequence: ended, oldest first
}

// NewState returns the state before the first command.
func NewState() *State {
	return &State{
		nodes: newTree[Node](), sessions: newTree[Session](), leases: newTree[Lease](), edges: newTree[Record](),
		tombstones: newTree[Tombstone](), checkpoints: newTree[Checkpoint](), ended: newTree[Ended](),
		by: index{
			role: newTree[string](), holder: newTree[lease.ID](), nodeLease: newTree[lease.ID](),
			nodeMember: newTree[lease.SessionID](), region: newTree[lease.ID](), leased: newTree[uint64](),
			change: newTree[string](), ending: newTree[string](),
		},
	}
}

// pair is the key of an index from one name to many. Names have no NUL in them.
func pair(a, b string) string { return a + "\x00" + b }

// ordinal is a key that sorts as n does.
func ordinal(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// Cluster returns the cluster's identity, empty until InitCluster.
func (s *State) Cluster() string { return s.cluster }

// Revision returns the log index of the last command that is in s. It may be above the revision of every record.
func (s *State) Revision() api.Revision { return s.revision }

// Term returns the Raft term of the last command that is in s.
func (s *State) Term() uint64 { return s.term }

// Edge returns an edge's record.
func (s *State) Edge(name string) (Record, bool) { return s.edges.get(name) }

// Edges yields the records whose names begin with prefix, by name.
func (s *State) Edges(prefix string) iter.Seq[Record] { return values(s.edges.under(prefix)) }

// History returns the last changes of an edge, oldest first; nil if there is no such edge.
func (s *State) History(name string) []api.Change {
	r, ok := s.edges.get(name)
	if !ok {
		return nil
	}
	changes := make([]api.Change, len(r.Past))
	for i, p := range r.Past {
		changes[i] = p.API()
	}
	return changes
}

// Lease returns an active lease.
func (s *State) Lease(id lease.ID) (Lease, bool) { return s.leases.get(string(id)) }

// Leases yields the active leases, by ID.
func (s *State) Leases() iter.Seq[Lease] { return values(s.leases.under("")) }

// LeasesOn yields the active leases on a node, by ID.
func (s *State) LeasesOn(node locator.NodeID) iter.Seq[Lease] {
	return resolve(s.by.nodeLease, pair(string(node), ""), s.Lease)
}

// Region returns the lease of the block region with that name.
func (s *State) Region(name string) (Lease, bool) {
	id, ok := s.by.region.get(name)
	if !ok {
		return Lease{}, false
	}
	return s.Lease(id)
}

// Session returns a live session.
func (s *State) Session(id lease.SessionID) (Session, bool) { return s.sessions.get(string(id)) }

// Sessions yields the live sessions, by ID.
func (s *State) Sessions() iter.Seq[Session] { return values(s.sessions.under("")) }

// SessionsOn yields the live sessions on a node, by ID.
func (s *State) SessionsOn(node locator.NodeID) iter.Seq[Session] {
	return resolve(s.by.nodeMember, pair(string(node), ""), s.Session)
}

// EdgesOf yields the records on which a session has a role, by name.
func (s *State) EdgesOf(id lease.SessionID) iter.Seq[Record] {
	return resolve(s.by.role, pair(string(id), ""), s.Edge)
}

// Ended returns how a lease or session ended, if it ended not too long ago.
func (s *State) Ended(id string) (lease.Status, bool) {
	e, ok := s.ended.get(id)
	return e.Status, ok
}

// Node returns a node that has ever registered.
func (s *State) Node(id locator.NodeID) (Node, bool) { return s.nodes.get(string(id)) }

// Nodes yields the nodes, by ID.
func (s *State) Nodes() iter.Seq[Node] { return values(s.nodes.under("")) }

// Leased returns how many bytes of a node's memory are lent.
func (s *State) Leased(id locator.NodeID) uint64 {
	bytes, _ := s.by.leased.get(string(id))
	return bytes
}

// Checkpoint returns a checkpoint.
func (s *State) Checkpoint(key string) (Checkpoint, bool) { return s.checkpoints.get(key) }

// Counts returns how much there is of everything.
func (s *State) Counts() (edges, leases, sessions, nodes int) {
	return s.edges.size(), s.leases.size(), s.sessions.size(), s.nodes.size()
}

// resolve yields what the entries of an index under prefix point at.
func resolve[K, T any](ids tree[K], prefix string, get func(K) (T, bool)) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, id := range ids.under(prefix) {
			v, ok := get(id)
			if !ok {
				panic("registry: index points at nothing") // broken invariant: both are changed together, in draft.go
			}
			if !yield(v) {
				return
			}
		}
	}
}
