package state

import (
	"iter"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Limits of the state.
const (
	// HistoryMax is how many changes of an edge are remembered.
	HistoryMax = 32
	// MadeMax is how many of an edge's beginnings are remembered by their operations.
	MadeMax = 8
	// EndedMax is how many ended leases and sessions are remembered.
	EndedMax = 4096
	// TombstonesMax is how many deleted edges are remembered one by one. Beyond that they are forgotten together and the
	// floor of all generations rises to the highest of theirs.
	TombstonesMax = 1 << 16
	// CheckpointsMax bounds the number of checkpoints.
	CheckpointsMax = 1 << 16
	// TokensMax bounds the number of tokens.
	TokensMax = 4096
	// ChangeEdgesMax bounds the edges of one ChangeEdges.
	ChangeEdgesMax = 128
)

// State is the registry's state after some command. It never changes and may be kept and read by any goroutine; what its
// methods return belongs to it and must not be changed.
type State struct {
	cluster  string
	level    uint64       // zero: 1
	base     api.Revision // what a revision is above its log index; see Recovered
	revision api.Revision // of the last command, applied or refused
	term     uint64       // of the same
	// floor is below every generation granted from now on, on any edge. It stands in for forgotten tombstones, and is where
	// recoveries and restores jump to.
	floor     fence.Epoch
	forgotten api.Revision // of the newest forgotten tombstone: a watch from before it cannot be resumed
	endings   uint64       // leases and sessions ever ended

	nodes       tree[text, *Node]
	sessions    tree[text, *Session]
	leases      tree[text, *Lease]
	edges       tree[text, *Record]
	tombstones  tree[text, *Tombstone]
	checkpoints tree[text, *Checkpoint]
	tokens      tree[text, *Token]
	ended       ends

	by index
}

// New returns the state before the first command.
func New() *State { return &State{} }

// Cluster returns the cluster's identity, empty until InitCluster.
func (s *State) Cluster() string { return s.cluster }

// Revision returns the number of the last command that is in s. It may be above the revision of every record.
func (s *State) Revision() api.Revision { return s.revision }

// Index returns the log index of the same command. Revisions are above it by what recoveries and restores have jumped.
func (s *State) Index() uint64 { return uint64(s.revision - s.base) }

// Term returns the Raft term of the last command that is in s.
func (s *State) Term() uint64 { return s.term }

// Edge returns an edge's record.
func (s *State) Edge(name string) (Record, bool) { return deref(s.edges.get(text(name))) }

// Edges yields the records whose names begin with prefix, by name.
func (s *State) Edges(prefix string) iter.Seq[Record] { return copies(under(s.edges, prefix)) }

// History returns the last changes of an edge, oldest first; nil if there is no such edge.
func (s *State) History(name string) []api.Change {
	r, ok := s.edges.get(text(name))
	if !ok {
		return nil
	}
	return slices.AppendSeq(make([]api.Change, 0, r.past.size()), s.Past(name))
}

// Past yields the same, one after the other.
func (s *State) Past(name string) iter.Seq[api.Change] {
	return func(yield func(api.Change) bool) {
		r, ok := s.edges.get(text(name))
		if !ok {
			return
		}
		for p := range r.past.all() {
			if !yield(p.API()) {
				return
			}
		}
	}
}

// Lease returns an active lease.
func (s *State) Lease(id lease.ID) (Lease, bool) { return deref(s.leases.get(text(id))) }

// Leases yields the active leases, by ID.
func (s *State) Leases() iter.Seq[Lease] { return copies(under(s.leases, "")) }

// LeasesOn yields the active leases on a node, by ID.
func (s *State) LeasesOn(node locator.NodeID) iter.Seq[Lease] {
	return resolve(s.carriedBy(string(node)).leases, s.leases)
}

// Region returns the lease of the block region with that name.
func (s *State) Region(name string) (Lease, bool) {
	id, ok := s.by.region.get(text(name))
	if !ok {
		return Lease{}, false
	}
	return s.Lease(id)
}

// Session returns a live session.
func (s *State) Session(id lease.SessionID) (Session, bool) { return deref(s.sessions.get(text(id))) }

// Sessions yields the live sessions, by ID.
func (s *State) Sessions() iter.Seq[Session] { return copies(under(s.sessions, "")) }

// SessionsOn yields the live sessions on a node, by ID.
func (s *State) SessionsOn(node locator.NodeID) iter.Seq[Session] {
	return resolve(s.carriedBy(string(node)).sessions, s.sessions)
}

// EdgesOf yields the records on which a session has a role, by name.
func (s *State) EdgesOf(id lease.SessionID) iter.Seq[Record] {
	return resolve(s.heldBy(string(id)).edges, s.edges)
}

// Ended returns how a lease or session ended, if it ended not too long ago.
func (s *State) Ended(id string) (lease.Status, bool) {
	if e := s.ended.get(id); e != nil {
		return e.Status, true
	}
	return "", false
}

// Node returns a node that has registered and was not removed.
func (s *State) Node(id locator.NodeID) (Node, bool) { return deref(s.nodes.get(text(id))) }

// Nodes yields the nodes, by ID.
func (s *State) Nodes() iter.Seq[Node] { return copies(under(s.nodes, "")) }

// Leased returns how many bytes of a node's memory are lent.
func (s *State) Leased(id locator.NodeID) uint64 {
	c := s.carriedBy(string(id))
	return c.bytes + c.rings*s.RingBytes(0)
}

// RingBytes returns how much of its node's memory a ring takes.
func (s *State) RingBytes(capacity uint64) uint64 {
	if s.Level() < 4 {
		return capacity
	}
	return capacity + lease.RingOverhead
}

// Checkpoint returns a checkpoint.
func (s *State) Checkpoint(key string) (Checkpoint, bool) { return deref(s.checkpoints.get(text(key))) }

// Token returns a token that was not removed. It may have expired.
func (s *State) Token(id string) (Token, bool) { return deref(s.tokens.get(text(id))) }

// Tokens yields the tokens, by ID.
func (s *State) Tokens() iter.Seq[Token] { return copies(under(s.tokens, "")) }

// Counts returns how much there is of everything.
func (s *State) Counts() (edges, leases, sessions, nodes int) {
	return s.edges.size(), s.leases.size(), s.sessions.size(), s.nodes.size()
}

// Describe says what is in s, for people.
func (s *State) Describe() api.SnapshotInfo {
	info := api.SnapshotInfo{
		Cluster: s.cluster, Revision: s.revision, Term: s.term, Level: s.Level(),
		Checkpoints: s.checkpoints.size(), Tombstones: s.tombstones.size(),
	}
	info.Edges, info.Leases, info.Sessions, info.Nodes = s.Counts()
	return info
}

// deref returns what a tree holds as its readers get it: a copy.
func deref[T any](p *T, ok bool) (v T, _ bool) {
	if ok {
		v = *p
	}
	return v, ok
}

func copies[T any](all iter.Seq[*T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for p := range all {
			if !yield(*p) {
				return
			}
		}
	}
}

// resolve yields what an index names.
func resolve[T any](ids tree[text, none], t tree[text, *T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for id := range ids.all() {
			v, ok := t.get(id)
			if !ok {
				panic("state: index names nothing") // broken invariant: both are changed together, in draft.go
			}
			if !yield(*v) {
				return
			}
		}
	}
}
