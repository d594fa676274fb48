package api

import (
	"time"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// What nodes, and operators' tools, ask of the leader beside what stages do.

// SessionRequest is a node's word about one of its sessions (POST /v1/internal/sessions); exactly one pointer is set.
type SessionRequest struct {
	Open  *SessionOpen  `json:"open,omitempty"`
	Adopt *SessionAdopt `json:"adopt,omitempty"`
	End   *SessionEnd   `json:"end,omitempty"`
}

// SessionResponse says in which revision the request stands. A node waits until it has applied that much.
type SessionResponse struct {
	Revision Revision `json:"revision"`
}

// SessionOpen makes a new session, held by a process on the asking node.
type SessionOpen struct {
	Session     lease.SessionID `json:"session"` // chosen by the node, random
	Node        locator.NodeID  `json:"node"`
	Incarnation uint64          `json:"incarnation"`
	Stage       string          `json:"stage"`
	PID         int             `json:"pid"`
	TTL         time.Duration   `json:"ttl_ns"`
	TokenSum    []byte          `json:"token_sum"`       // SHA-256 of the secret that the session's holder has
	Rules       Rules           `json:"rules,omitempty"` // all that it may do; none: what any session may. From level 5 on
}

// SessionAdopt moves a session to its node's present incarnation: the node was away, the process was not.
type SessionAdopt struct {
	Session     lease.SessionID `json:"session"`
	Node        locator.NodeID  `json:"node"`
	Incarnation uint64          `json:"incarnation"`
	TokenSum    []byte          `json:"token_sum"`
}

// SessionEnd ends a session whose process is gone. Ending one that is gone already succeeds.
type SessionEnd struct {
	Session     lease.SessionID `json:"session"`
	Node        locator.NodeID  `json:"node"`
	Incarnation uint64          `json:"incarnation,omitempty"` // refused if the session was adopted since; zero: whatever it is
}

// ResizeRequest says how much memory a node lends from now on (POST /v1/internal/memory). What it has lent beyond that stays lent.
type ResizeRequest struct {
	Node        locator.NodeID `json:"node"`
	Incarnation uint64         `json:"incarnation"`
	Memory      uint64         `json:"memory"` // bytes
}

// AdoptRequest moves a ring's lease to its node's present incarnation (POST /v1/leases/{id}/adopt): the holders have handed
// its memory back (protocol rule 20). Refused if the lease has expired or was revoked.
type AdoptRequest struct {
	Node        locator.NodeID `json:"node"`
	Incarnation uint64         `json:"incarnation"`
	Generation  fence.Epoch    `json:"generation"`
}

// RelocateRequest asks for a planned move of one edge's ring (POST /v1/edges/{name}/relocate).
//
// The next ring is made and attached by both sides before the present one is left, and the answer comes when the edge is there. AtOnce
// leaves the present one first, by one change of the record, as is done where the sides do not both get there in time.
type RelocateRequest struct {
	Avoid  []locator.NodeID `json:"avoid,omitempty"`
	AtOnce bool             `json:"at_once,omitempty"`
}

// FoundRequest asks a node to promise that it will found a cluster with nobody but Founder, together with Nodes, all of
// them (POST /v1/internal/found). A node keeps its first promise, over restarts.
type FoundRequest struct {
	Founder locator.NodeID   `json:"founder"`
	Nodes   []locator.NodeID `json:"nodes"`
}
