package history

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/nemesis"
	"github.com/grafnode/grafnode/lease"
)

// Kind says what a client asked for.
type Kind string

// What clients ask for.
const (
	Change        Kind = "change"         // new rings, and perhaps roles, for the edges of a group
	Relocate      Kind = "relocate"       // an operator's move
	Delete        Kind = "delete"         // of an edge
	Read          Kind = "read"           // one edge
	List          Kind = "list"           // all edges of a group
	Past          Kind = "past"           // an edge's history
	PutCheckpoint Kind = "put-checkpoint" //
	GetCheckpoint Kind = "get-checkpoint" //
	Acquire       Kind = "acquire"        // a lease
	Release       Kind = "release"        //
	Revoke        Kind = "revoke"         //
	Leases        Kind = "leases"         // lists them
	Sessions      Kind = "sessions"       // lists those that live
)

// Outcome is what the client was told.
type Outcome string

// The outcomes. A read that was not answered has none and is not recorded.
const (
	Applied Outcome = "applied" // it has happened; a read: was answered
	Refused Outcome = "refused" // it has not happened and never will; a read: there is no such thing
	Unknown Outcome = "unknown" // it may have happened, or may yet
)

// Op is one call. Which fields are set depends on its kind.
type Op struct {
	Client  int           `json:"client"`
	Node    int           `json:"node"` // the node that was asked first
	Kind    Kind          `json:"kind"`
	Call    lease.Instant `json:"call"`
	Return  lease.Instant `json:"return"`
	Outcome Outcome       `json:"outcome"`
	Error   *api.Error    `json:"error,omitempty"`

	Fresh  api.Consistency    `json:"fresh,omitempty"`  // reads
	Tag    string             `json:"tag,omitempty"`    // changes: the operation's name, see Tag
	Change *api.ChangeRequest `json:"change,omitempty"` //
	Edge   string             `json:"edge,omitempty"`   // of relocate, delete, read, past
	Group  string             `json:"group,omitempty"`  // of list
	Expect api.Revision       `json:"expect,omitempty"` // of delete
	Edges  []api.Edge         `json:"edges,omitempty"`  // the answer to change, relocate, read, list
	Past   []api.Change       `json:"past,omitempty"`   // the answer to past

	Key        string                 `json:"key,omitempty"`
	Put        *api.CheckpointRequest `json:"put,omitempty"`
	Checkpoint *api.Checkpoint        `json:"checkpoint,omitempty"`

	Session lease.SessionID `json:"session,omitempty"` // that asks for or gives back a lease
	Ask     *lease.Request  `json:"ask,omitempty"`
	Lease   lease.ID        `json:"lease,omitempty"` // of release, revoke
	Grant   *lease.Grant    `json:"grant,omitempty"`
	Leases  []lease.ID      `json:"leases,omitempty"`

	Sessions []lease.SessionID `json:"sessions,omitempty"`
}

// A tag names an operation wherever it leaves a trace: it is the change's operation ID and its detail, and the stage of each
// role that it takes. By it an operation of unknown outcome is found again.

// Stream is one connection of a watcher, from the revision where the watcher's last one ended.
type Stream struct {
	Watcher int `json:"watcher"`
	Node    int `json:"node"`

	Prefix string           `json:"prefix"`
	Kinds  []api.RecordKind `json:"kinds,omitempty"` // none: edges
	All    bool             `json:"all"`             // every change, else the latest of each record
	From   api.Revision     `json:"from"`

	Began lease.Instant `json:"began"`
	Seen  []Seen        `json:"seen"`
	Ended string        `json:"ended,omitempty"` // why; empty: the watcher had enough
}

// Request returns what the watcher asked for.
func (s Stream) Request() api.WatchRequest {
	r := api.WatchRequest{Prefix: s.Prefix, Kinds: s.Kinds, Mode: api.WatchLatest, From: s.From}
	if s.All {
		r.Mode = api.WatchAll
	}
	return r
}

// Seen is one line of a stream.
type Seen struct {
	At    lease.Instant `json:"at"`
	Event api.Event     `json:"event"`
}

// Holding is a session from its holder's side. The holder has the producer's role of an edge that nobody else changes.
type Holding struct {
	Session lease.SessionID `json:"session"`
	Node    int             `json:"node"`
	Edge    string          `json:"edge"`
	Term    time.Duration   `json:"term"`
	Beats   []Beat          `json:"beats"`            // signs of life that the holder gave
	Told    []Told          `json:"told"`             // deadlines
	Closed  lease.Instant   `json:"closed,omitempty"` // when the holder began to end the session itself; zero: it did not
	Lost    lease.Instant   `json:"lost,omitempty"`   // when it was told that the session is over; zero: it was not
	Ended   lease.Instant   `json:"ended,omitempty"`  // when somebody else began to end it, as an operator does; zero: nobody did
}

// Told is a deadline that a holder was given.
type Told struct {
	At       lease.Instant `json:"at"`
	Deadline lease.Instant `json:"deadline"`
}

// Beat is a sign of life that a holder gave its node.
type Beat struct {
	Sent  lease.Instant `json:"sent"`
	Heard lease.Instant `json:"heard,omitempty"` // when the node's answer came; zero: it did not
}

// Fault is something that was done to the cluster, for people to read.
type Fault struct {
	At   lease.Instant `json:"at"`
	What string        `json:"what"`
}

// Break is a fault for judges to reckon with: what was stopped or cut off, and from when to when.
type Break struct {
	Kind  nemesis.Kind  `json:"kind"`
	Nodes []int         `json:"nodes"`
	From  lease.Instant `json:"from"`
	To    lease.Instant `json:"to"`
}

// Sample is what a node said about its part in the group, at some instant between the question and the answer.
type Sample struct {
	Node   int           `json:"node"`
	Call   lease.Instant `json:"call"`
	Return lease.Instant `json:"return"`
	Term   uint64        `json:"term"`
	Leads  bool          `json:"leads,omitempty"`
}

// Final is a node's state when everything was healed and nothing was written any more.
type Final struct {
	Node   int                     `json:"node"`
	Edges  []api.Edge              `json:"edges"`
	Past   map[string][]api.Change `json:"past"`
	Leases []lease.ID              `json:"leases"`
}

// History is all of it.
type History struct {
	Seed     uint64    `json:"seed"`
	Ops      []Op      `json:"ops"`
	Streams  []Stream  `json:"streams"`
	Holdings []Holding `json:"holdings"`
	Faults   []Fault   `json:"faults"`
	Breaks   []Break   `json:"breaks"`
	Samples  []Sample  `json:"samples"`
	Finals   []Final   `json:"finals"`
}
