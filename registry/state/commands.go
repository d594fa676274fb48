package state

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Command is a change of the state, as it stands in the log. Its fields are what the proposer knew; what the state says is
// checked when the command is applied. The kinds are a closed, append-only list, and a kind's fields never change meaning: a node
// that does not know a kind, or a field, stops rather than compute another state than its peers.
type Command interface {
	kind() kind
	// apply changes d, or returns the refusal; then d is thrown away. It must be deterministic.
	apply(d *draft, e Entry) (Result, error)
}

// InitCluster gives the cluster its identity. The first one applied stands for ever.
type InitCluster struct {
	Cluster string
}

// RegisterNode announces a node's start. Its incarnation goes up by one; Result.Node says which it is.
type RegisterNode struct {
	Node        locator.NodeID
	Name        string
	Zone        string
	Address     string // IP:port
	Memory      uint64
	Version     string
	Incarnation uint64 // refused if it would get another, so that an announcement that comes late does nothing; zero: any
}

// RemoveNode takes a node out of the state that will not come back. It is refused while the node has active leases or live
// sessions, unless Force ends them as revoked. A node that comes back nevertheless registers anew, as if for the first time.
type RemoveNode struct {
	Node   locator.NodeID
	Force  bool
	Detail string // for the history of the edges whose ring was there
}

// DrainNode says whether anything new is placed on a node, which keeps what it has. From level 4 on.
type DrainNode struct {
	Node  locator.NodeID
	Drain api.Drain
}

// SetEligibility says whether a node may get anything new; what it has stays there in either case. It stands until it is said otherwise, whether the
// node starts anew or is drained meanwhile. From level 6 on.
type SetEligibility struct {
	Node       locator.NodeID
	Ineligible bool
}

// ResizeNode says how much memory a node lends from now on. Of what is lent more than that already nothing is taken back. From level 6 on.
type ResizeNode struct {
	Node        locator.NodeID
	Incarnation uint64 // the node's, which must be its present one
	Memory      uint64
}

// OpenSession makes a session of a process on a registered node.
type OpenSession struct {
	Session     lease.SessionID // random, chosen by the proposer
	Stage       string
	Node        locator.NodeID
	Incarnation uint64 // the node's, which must be its present one
	PID         int
	TTL         time.Duration
	Token       [32]byte // SHA-256 of its secret
	// Rules, from level 5 on, are all that the session may do; none: what any session may.
	Rules api.Rules `codec:",omitempty"`
}

// AdoptSession takes a session over into a new incarnation of its node.
type AdoptSession struct {
	Session     lease.SessionID
	Token       [32]byte // must be the session's
	Node        locator.NodeID
	Incarnation uint64
}

// EndSession ends a session, because its process is gone or says good-bye: its roles become free, its memory is released.
type EndSession struct {
	Session     lease.SessionID
	Incarnation uint64 // of the node that saw it end; refused if the session was adopted since. Zero: whatever it is
}

// ChangeEdges gives edges new rings, and perhaps roles to the session: all of them or none (protocol rules 1 to 4). With a
// Session it must be live, and hold or take a role of each edge. Without one it is an operator's planned move and takes nothing.
type ChangeEdges struct {
	Op      string // chosen by the client; applied again, gives the first answer
	Session lease.SessionID
	Reason  api.Reason
	Detail  string
	TTL     time.Duration // of the rings' leases
	Edges   []EdgeChange
}

// EdgeChange is one edge of a ChangeEdges, with the place that the proposer found for its ring.
type EdgeChange struct {
	Name          string
	Expect        api.Revision // the record's; zero: there is none
	TakeProducer  bool
	TakeConsumer  bool
	ProducerStage string // stages that the roles belong to, when taking
	ConsumerStage string
	Codec         string
	Capacity      uint64 // bytes; zero: as it was
	Lease         lease.ID
	Node          locator.NodeID
}

// ChangeSpare confirms its producer's move to an edge's spare, arms another, or both in one write (protocol rules 13 and 15). The
// session must be the edge's producer. From level 3 on.
//
// A confirmation is applied if the record's spare has that generation and was granted to the producer's epoch, whatever the
// revision. Alone, Arm goes by Expect, and needs both roles held and a ring. Beside a confirmation it is done if it can be: without a
// Lease, room or a consumer the edge has no spare then.
type ChangeSpare struct {
	Op      string // chosen by the client; applied again, gives the first answer
	Session lease.SessionID
	Edge    string
	Expect  api.Revision
	Confirm fence.Epoch // the spare's generation; zero: no move to confirm
	Arm     bool
	Lease   lease.ID // of the next spare, with the place that the proposer found, not the ring's node
	Node    locator.NodeID
	TTL     time.Duration
	Reason  api.Reason
	Detail  string
	// Planned, from level 4 on, arms a spare that the producer moves to as soon as both sides are there. Whoever has a role may ask for
	// that, or nobody: without a Session it is the cluster's own word. The ring's node will do too.
	Planned bool `codec:",omitempty"`
}

// DeleteEdge removes a record and releases its lease. A tombstone keeps its generations from being granted again.
type DeleteEdge struct {
	Name   string
	Expect api.Revision
	// Op, from level 2 on, is chosen by the client; applied again, it gives the first answer until the edge is created anew.
	Op string `codec:",omitempty"`
}

// GrantLease leases memory or storage outside an edge. A named block region that exists is handed to the new session,
// under a higher epoch; then Result.Leases has the existing lease and the command's own ID is not used.
//
// The ID is also what the operation is known by: applied again for the same session, as long as that has the lease, it gives the
// first answer. For a region that changed hands this holds from level 2 on.
type GrantLease struct {
	Lease   lease.ID
	Kind    lease.Kind
	Node    locator.NodeID
	Session lease.SessionID
	Name    string
	Bytes   uint64
	TTL     time.Duration
}

// ReleaseLease gives a lease back. Rings' leases are released by changing their edge. What was released already is released.
type ReleaseLease struct {
	Lease   lease.ID
	Session lease.SessionID // must be the holder
}

// RevokeLease takes a lease back, an operator's act. What was revoked already is revoked.
type RevokeLease struct {
	Lease  lease.ID
	Detail string
}

// AdoptLease takes a lease over into a new incarnation of its node (protocol rule 20).
type AdoptLease struct {
	Lease       lease.ID
	Node        locator.NodeID
	Incarnation uint64
}

// Mark names a lease or session together with the allowance that the proposer knew.
type Mark[ID ~string] struct {
	ID  ID
	Seq uint64
}

// Allowance records that leases and sessions are being renewed (protocol rule 19). It is refused as a whole if Term is not
// the entry's; marks whose Seq has moved are skipped. Result has those that were allowed.
type Allowance struct {
	Term     uint64
	Leases   []Mark[lease.ID]
	Sessions []Mark[lease.SessionID]
}

// Expire ends leases and sessions whose time is over, under the conditions of Allowance. Result.Ended has those that ended.
type Expire struct {
	Term     uint64
	Leases   []Mark[lease.ID]
	Sessions []Mark[lease.SessionID]
}

// PutCheckpoint fences a checkpoint under Epoch and, if Write is set, replaces its value.
type PutCheckpoint struct {
	Key    string
	Epoch  fence.Epoch
	Write  bool
	Expect api.Revision // with Write: only if the checkpoint's revision is still this; zero: whatever it is
	Value  []byte
	Sum    uint32 // CRC32C of Value
}

// PutToken makes a token. Its ID must be new. From level 5 on.
type PutToken struct {
	Token   string // its ID, chosen by the proposer
	Name    string
	Hash    [32]byte // SHA-256 of its secret
	Rules   api.Rules
	Expires int64 // Unix seconds; zero: never
}

// RemoveToken takes a token back. From level 5 on.
type RemoveToken struct {
	Token string
}

// Nothing changes nothing. It is the barrier behind which strict reads and a new leader stand.
type Nothing struct{}

// Entry is a command with its place in the log.
type Entry struct {
	Index    uint64
	Term     uint64
	Proposed int64 // the proposer's wall clock, ns; shown to people
	Command  Command
}

// Result is what became of a command. Refusals are values: Err wraps one of api's, fence's or lease's sentinels and the state
// is as it was.
type Result struct {
	Revision   api.Revision // at which it was applied; a repeated command has the first one's
	Term       uint64
	Err        error
	Changes    []Change // by kind and key, each once; nil if nothing changed
	Edges      []Record // changed by ChangeEdges
	Leases     []Lease  // granted, adopted, allowed
	Sessions   []Session
	Ended      []Ended
	Node       Node
	Checkpoint Checkpoint
}
