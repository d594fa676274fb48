package api

import (
	"time"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Headers of every response and, the first and the last two, of requests.
const (
	HeaderCluster  = "Grafnode-Cluster"  // cluster ID; of requests: refused as KindCluster by a node of another
	HeaderRevision = "Grafnode-Revision" // registry state that the answer reflects
	HeaderLeader   = "Grafnode-Leader"   // leader's address, if known
	HeaderSession  = "Grafnode-Session"  // requests: which session asks
	HeaderToken    = "Grafnode-Token"    // requests: that session's secret
)

// Consistency is how fresh a read must be: the query parameter "consistency".
type Consistency string

// The read modes. Without the parameter, Default.
const (
	Stale   Consistency = "stale"   // this node's state, however old
	Default Consistency = "default" // the leader's, after confirming that it still leads
	Strict  Consistency = "strict"  // behind a barrier in the log: linearizable whatever stops or jumps
)

// Authorities is what the nodes of a cluster can be known by.
type Authorities struct {
	PEM string `json:"pem"` // certificates; empty: the nodes speak without TLS
}

// Node is a cluster node.
type Node struct {
	ID          locator.NodeID `json:"id"`
	Name        string         `json:"name"`
	Zone        string         `json:"zone"`
	Address     string         `json:"address"`     // host:port for Raft, API and data
	Incarnation uint64         `json:"incarnation"` // counts its starts
	Memory      uint64         `json:"memory"`      // bytes that it lends
	Leased      uint64         `json:"leased"`      // bytes lent
	Health      string         `json:"health"`      // gossip's word: alive, suspect, dead, left, unknown
	Leader      bool           `json:"leader"`
	Voter       bool           `json:"voter"`
	Version     string         `json:"version,omitempty"`
	Direct      string         `json:"direct,omitempty"`     // where its adapter for RDMA is reached, and the network, by gossip: 10.1.0.7/24
	Drain       Drain          `json:"drain,omitempty"`      // whether it is being emptied; nothing new is placed on it then
	Ineligible  bool           `json:"ineligible,omitempty"` // an operator wants nothing new placed on it; what it has stays
}

// Lease is a lease as the API shows it.
type Lease struct {
	ID          lease.ID        `json:"id"`
	Kind        lease.Kind      `json:"kind"`
	Status      lease.Status    `json:"status"`
	Node        locator.NodeID  `json:"node"`
	Incarnation uint64          `json:"incarnation"`
	Bytes       uint64          `json:"bytes"`
	TTL         time.Duration   `json:"ttl_ns"`
	Edge        string          `json:"edge,omitempty"`    // rings: the edge
	Session     lease.SessionID `json:"session,omitempty"` // others: the holder
	Name        string          `json:"name,omitempty"`    // block regions
	Generation  fence.Epoch     `json:"generation"`
	Granted     time.Time       `json:"granted"`
}

// Status is what a node says of itself and its cluster.
type Status struct {
	Cluster  string         `json:"cluster"`
	Node     locator.NodeID `json:"node"`
	Name     string         `json:"name"`
	Version  string         `json:"version"`
	State    string         `json:"state"` // leader, follower, candidate, shutdown
	Leader   locator.NodeID `json:"leader,omitempty"`
	Term     uint64         `json:"term"`
	Revision Revision       `json:"revision"` // applied here
	Edges    int            `json:"edges"`
	Leases   int            `json:"leases"`
	Sessions int            `json:"sessions"`
	Nodes    int            `json:"nodes"`
	Ready    bool           `json:"ready"`
	Problems []string       `json:"problems,omitempty"` // why not ready
	Started  time.Time      `json:"started"`
	Disk     *Disk          `json:"disk,omitempty"`
}

// Checkpoint is a small fenced value in the registry.
type Checkpoint struct {
	Key      string      `json:"key"`
	Epoch    fence.Epoch `json:"epoch"` // highest that fenced or wrote it; lower ones are refused
	Value    []byte      `json:"value"` // at most CheckpointBytesMax; nil: never written
	Sum      uint32      `json:"sum"`   // CRC32C of Value
	Revision Revision    `json:"revision"`
}

// CheckpointBytesMax bounds a checkpoint's value in the registry. Larger state belongs in leased blocks.
const CheckpointBytesMax = 64 << 10

// CheckpointRequest fences a checkpoint under Epoch and, if Write is set, replaces its value.
type CheckpointRequest struct {
	Epoch  fence.Epoch `json:"epoch"`
	Write  bool        `json:"write"`
	Expect Revision    `json:"expect,omitempty"` // write only if the revision is still this; zero: whatever it is
	Value  []byte      `json:"value,omitempty"`
	Sum    uint32      `json:"sum,omitempty"`
}

// RegisterRequest announces a node's start to the cluster. Node.Incarnation is the one that it is to get, which is refused with
// ErrConflict if another comes next, so that a request that is late does nothing; zero: whichever comes next.
type RegisterRequest struct {
	Node Node `json:"node"`
}

// RegisterResponse gives the node its incarnation.
type RegisterResponse struct {
	Cluster     string `json:"cluster"`
	Incarnation uint64 `json:"incarnation"`
}

// RenewRequest is a node's one batched renewal: every lease on it that is still mapped and every session that lately
// showed life.
type RenewRequest struct {
	Node        locator.NodeID    `json:"node"`
	Incarnation uint64            `json:"incarnation"`
	Leases      []lease.ID        `json:"leases"`
	Sessions    []lease.SessionID `json:"sessions"`
}

// RenewResponse says for how long, counted by the node from when it asked, each is good. What is missing was not renewed:
// it has ended, or its end is being decided.
type RenewResponse struct {
	Leases   map[lease.ID]time.Duration        `json:"leases"`
	Sessions map[lease.SessionID]time.Duration `json:"sessions"`
	Ended    map[string]lease.Status           `json:"ended,omitempty"` // by lease or session ID: final
}
