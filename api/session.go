package api

import (
	"net/netip"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// The session socket. A stage process keeps one connection open to its node's Unix socket; the connection being open is
// the process being alive. It begins with PrefaceSession, then carries frames both ways: a 4-byte little-endian length and a
// SessionMessage in JSON of that length, at most SessionFrameMax. Descriptors travel beside the first byte of their frame.
// Requests carry a Seq that their reply repeats; replies may come in any order.
const (
	PrefaceSession  = "GRAFNODE-SESSION/1\n"
	SessionFrameMax = 1 << 20
)

// The prefaces of the one TCP port. Anything else is HTTP.
const (
	PrefaceRaft = "GRAFNODE-RAFT/1\n"
	PrefaceData = "GRAFNODE-DATA/3\n"
)

// SessionMessage is one frame of the session socket; exactly one of the pointers is set.
type SessionMessage struct {
	Seq      uint64       `json:"seq"`
	Hello    *Hello       `json:"hello,omitempty"`
	Welcome  *Welcome     `json:"welcome,omitempty"`
	Attach   *Attach      `json:"attach,omitempty"`
	Attached *Attached    `json:"attached,omitempty"`
	Mapped   *Mapped      `json:"mapped,omitempty"`
	Peer     *Peer        `json:"peer,omitempty"`
	Detach   *Detach      `json:"detach,omitempty"`
	HandBack *HandBack    `json:"hand_back,omitempty"`
	Beat     *Beat        `json:"beat,omitempty"`
	Report   *StageReport `json:"report,omitempty"`
	OK       *struct{}    `json:"ok,omitempty"`
	Error    *Error       `json:"error,omitempty"`
}

// Hello opens a session, or takes up an old one after the node has been away.
type Hello struct {
	Session lease.SessionID `json:"session,omitempty"` // old session, with its token; empty: a new one
	Token   string          `json:"token,omitempty"`
	Stage   string          `json:"stage"`
	PID     int             `json:"pid"`
	TTL     time.Duration   `json:"ttl_ns"`
}

// Welcome answers Hello.
type Welcome struct {
	Session     lease.SessionID `json:"session"`
	Token       string          `json:"token"`
	Cluster     string          `json:"cluster"`
	Node        locator.NodeID  `json:"node"`
	Zone        string          `json:"zone"`
	Incarnation uint64          `json:"incarnation"`
	Deadline    lease.Instant   `json:"deadline"` // of the session, on this host's CLOCK_BOOTTIME
	Addresses   []string        `json:"addresses"`
	// Trusted are the networks in which records may go in clear though hosts speak TLS: adapters encrypt nothing.
	Trusted []netip.Prefix `json:"trusted,omitempty"`
}

// Attach asks for one side of a ring that lies on this node. The reply is Attached with the descriptors of the node's part
// (read-only), the side's own part, the event that wakes this side and the event that wakes the other. The side maps its own
// part, seals it against further writers, says Mapped, and gets Peer with the other side's part (read-only) once that one
// has done the same.
type Attach struct {
	Edge       string          `json:"edge"`
	Generation fence.Epoch     `json:"generation"`
	Arena      locator.ArenaID `json:"arena"`
	Role       fabric.Role     `json:"role"`
	Revision   Revision        `json:"revision"` // the node waits until it has applied that much
}

// Attached answers Attach.
type Attached struct {
	Capacity int `json:"capacity"`
}

// Mapped says that the side's own part is mapped and sealed. The reply, Peer, comes when the other side is there.
type Mapped struct {
	Arena locator.ArenaID `json:"arena"`
	Role  fabric.Role     `json:"role"`
}

// Peer answers Mapped, with the other side's part.
type Peer struct{}

// Detach says that the session has unmapped its side, or has given up an Attach of it that was not answered yet: whichever of the two the node does
// first, the side is not attached afterwards.
type Detach struct {
	Arena locator.ArenaID `json:"arena"`
	Role  fabric.Role     `json:"role"`
}

// HandBack gives a restarted node the memory of a ring that lies on it: the descriptors of the node's, the producer's and the
// consumer's part, the event that wakes the producer and the one that wakes the consumer, in this order. The reply is OK when
// the node has verified them and the cluster has agreed (protocol rule 20).
type HandBack struct {
	Edge       string          `json:"edge"`
	Generation fence.Epoch     `json:"generation"`
	Arena      locator.ArenaID `json:"arena"`
	Role       fabric.Role     `json:"role"`
	Capacity   int             `json:"capacity"` // of the ring, bytes
}

// Beat shows life, and asks how long the session is good. The reply is a Beat with Deadline; the node also sends one, with
// Seq zero, when it has renewed the session. An Error with Seq zero says that the cluster has ended the session.
type Beat struct {
	Deadline lease.Instant `json:"deadline,omitempty"`
}

// StageReport carries a stage's counters to its node, which shows them at /metrics. Counters count from the session's start.
type StageReport struct {
	Stage string       `json:"stage"`
	Edges []EdgeReport `json:"edges"`
	Sink  *SinkReport  `json:"sink,omitempty"`
	// Silences are the session's, not the stage's; whatever sends the report fills them in.
	Silences Silences `json:"silences,omitzero"`
}

// Silences counts nodes that a stage's process gave up for their silence, see fabric/tcp.Silences.
type Silences struct {
	Judged   uint64 `json:"judged"`
	Mistaken uint64 `json:"mistaken"` // of these: the node's process was slow, not gone
}

// EdgeReport is one side of one edge.
type EdgeReport struct {
	Edge        string            `json:"edge"`
	Role        fabric.Role       `json:"role"`
	Generation  fence.Epoch       `json:"generation"`
	State       EdgeState         `json:"state,omitempty"` // empty: from a stage that is older
	Since       time.Time         `json:"since,omitzero"`  // of State; of stalled: when something was last taken
	Items       uint64            `json:"items"`           // pushed, or accepted
	Bytes       uint64            `json:"bytes"`
	Repeats     uint64            `json:"repeats"`           // spared by the producer, or dropped by the consumer
	Rebinds     uint64            `json:"rebinds"`           // rings bound after the first
	Moves       uint64            `json:"moves,omitempty"`   // of these, spares that were moved to
	Spare       fence.Epoch       `json:"spare,omitempty"`   // the generation of the spare that this side can move to now; zero: there is none
	Retained    uint64            `json:"retained"`          // items held until their ack, now
	RetainBytes uint64            `json:"retain_bytes"`      // the same in bytes
	Lag         time.Duration     `json:"lag_ns,omitempty"`  // of a producer: how long an item waited lately, or waits, for its ack; one for each report is timed
	Fenced      uint64            `json:"fenced"`            // writes refused
	Rewires     []float64         `json:"rewires,omitempty"` // seconds from noticing to the first new item (producer: to the resume note), since the last report
	Traces      []Rewire          `json:"traces,omitempty"`  // rewires that ended since the last report; of many, the last ones
	Causes      map[string]uint64 `json:"causes,omitempty"`  // rebinds by reason
}

// SinkReport is what a stage's sink did.
type SinkReport struct {
	Commits uint64    `json:"commits"`
	Items   uint64    `json:"items"`
	Fenced  uint64    `json:"fenced,omitempty"` // commits refused because a newer epoch has taken over
	Gaps    []float64 `json:"gaps,omitempty"`   // seconds from one commit to the next, since the last report
}
