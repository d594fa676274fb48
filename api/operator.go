package api

import (
	"time"

	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// What operators ask. Nothing of it is on the way of an item.

// HeaderStaleFor is in answers to reads with consistency "stale": for how many milliseconds this node has heard of no leader.
// What changed since may be missing from the answer. Zero on the leader.
const HeaderStaleFor = "Grafnode-Stale-For"

// Session is a live session: one run of one stage process.
type Session struct {
	ID          lease.SessionID `json:"id"`
	Stage       string          `json:"stage"`
	Node        locator.NodeID  `json:"node"` // the node that holds its socket
	Incarnation uint64          `json:"incarnation"`
	PID         int             `json:"pid"`
	TTL         time.Duration   `json:"ttl_ns"`
	Opened      time.Time       `json:"opened"`
	Rules       Rules           `json:"rules,omitempty"` // all that it may do; none: what any session may. Watches do not tell them
}

// SessionDetail is a session with what ends with it (GET /v1/sessions/{id}).
type SessionDetail struct {
	Session
	Edges  []string   `json:"edges"`  // on which it has a role
	Leases []lease.ID `json:"leases"` // that it holds, rings' left out
}

// RaftServer is a member of the Raft group, as its leader sees it.
type RaftServer struct {
	ID      locator.NodeID `json:"id"`
	Name    string         `json:"name,omitempty"` // if the registry knows the node
	Address string         `json:"address"`
	Voter   bool           `json:"voter"` // false: taken in, and still catching up
	Leader  bool           `json:"leader"`
	// LastContact is since the leader last had an answer from it; -1: never in this term, or the leader was not asked.
	LastContact time.Duration `json:"last_contact_ns"`
	Index       uint64        `json:"index"` // log entries up to this one are certainly on it
	Lag         uint64        `json:"lag"`   // how many entries the leader's log has beyond that
	Gossip      string        `json:"gossip"`
	Level       uint64        `json:"level,omitempty"` // newest state-machine version that it knows; zero: not known
	Version     string        `json:"version,omitempty"`
}

// Raft is the Raft group (GET /v1/operator/raft).
type Raft struct {
	Cluster string         `json:"cluster"`
	Leader  locator.NodeID `json:"leader,omitempty"`
	Term    uint64         `json:"term"`
	Index   uint64         `json:"index"` // last entry of the answering node's log
	Servers []RaftServer   `json:"servers"`
}

// TransferRequest asks for another leader (POST /v1/operator/raft/transfer).
type TransferRequest struct {
	To locator.NodeID `json:"to"` // empty: whoever's log is the most complete
}

// TransferResponse says who leads then.
type TransferResponse struct {
	From locator.NodeID `json:"from"`
	To   locator.NodeID `json:"to"`
}

// Disk is what a node's disk did and has.
type Disk struct {
	Writes  uint64        `json:"writes"`     // durable writes of the log and the votes since the node started
	Slowest time.Duration `json:"slowest_ns"` // of them
	Free    uint64        `json:"free_bytes"` // left where the registry lies; zero with Size zero: not known
	Size    uint64        `json:"size_bytes"`
}

// ServerHealth is one member's part of Health.
type ServerHealth struct {
	RaftServer
	Healthy  bool     `json:"healthy"`
	Problems []string `json:"problems,omitempty"`
	Disk     *Disk    `json:"disk,omitempty"` // nil: the node did not say
}

// Health is how the cluster stands (GET /v1/operator/health), as its leader sees it, or as the node that was asked does if
// there is none.
type Health struct {
	Healthy  bool           `json:"healthy"`
	Problems []string       `json:"problems,omitempty"` // of the cluster, and of its members, by name
	From     locator.NodeID `json:"from"`               // the node that says so
	Cluster  string         `json:"cluster"`
	Leader   locator.NodeID `json:"leader,omitempty"`
	Term     uint64         `json:"term"`
	Revision Revision       `json:"revision"`
	Level    uint64         `json:"level"`  // state-machine version in use
	Voters   int            `json:"voters"` // all of them
	Quorum   int            `json:"quorum"` // how many of them must be up
	Margin   int            `json:"margin"` // how many healthy voters may fail before there is no quorum; negative: there is none
	Servers  []ServerHealth `json:"servers"`
}

// SnapshotInfo describes a snapshot of the registry.
type SnapshotInfo struct {
	Cluster     string    `json:"cluster"`
	Taken       time.Time `json:"taken,omitzero"` // zero: the file does not say
	Revision    Revision  `json:"revision"`
	Term        uint64    `json:"term"`
	Level       uint64    `json:"level"` // state-machine version; zero: the file does not say
	Edges       int       `json:"edges"`
	Leases      int       `json:"leases"`
	Sessions    int       `json:"sessions"`
	Nodes       int       `json:"nodes"`
	Checkpoints int       `json:"checkpoints"`
	Tombstones  int       `json:"tombstones"`
	Bytes       int64     `json:"bytes,omitempty"` // of the whole file
	Sum         string    `json:"sum,omitempty"`   // SHA-256 of all that it covers, in hexadecimal
}

// RestoreResponse says what the registry is after a restore (PUT /v1/operator/snapshot): every revision and generation in it is
// above all that were there before.
type RestoreResponse struct {
	Cluster  string   `json:"cluster"`
	Revision Revision `json:"revision"`
}
