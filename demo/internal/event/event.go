package event

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// Kind says what happened.
type Kind string

// Told by stage processes.
const (
	Started   Kind = "started"    // a stage process runs
	Claimed   Kind = "claimed"    // it has a role of an edge
	Lost      Kind = "lost"       // it lost the ring of an edge: Cause
	Bound     Kind = "bound"      // it bound a ring, on Node
	FirstItem Kind = "first-item" // the first new item went through a ring
	Rewired   Kind = "rewired"    // it has come from one ring to the next: Rewire
	Counted   Kind = "counted"    // its counters: Edges
	Committed Kind = "committed"  // the store committed Items items up to input line Line
	Rejected  Kind = "rejected"   // parse turned input line Line away; of many in a short time, one
)

// Noted by the demo itself.
const (
	Killed  Kind = "killed"  // Process is about to be killed: What, and Edge if one is sure to suffer
	Exited  Kind = "exited"  // Process has gone: Cause, empty if it had finished
	Changed Kind = "changed" // an edge's record, by the watch: Generation, Node, Cause
	Leading Kind = "leading" // Process is the node that leads the Raft group
	Ready   Kind = "ready"   // Process is a node that serves, the first time since it was started
)

// Event is one happening. Fields that its kind does not speak of are empty.
type Event struct {
	At         time.Time        `json:"at"`
	Kind       Kind             `json:"kind"`
	Process    string           `json:"process,omitempty"` // "enrich-2", "node-1"
	What       string           `json:"what,omitempty"`
	Edge       string           `json:"edge,omitempty"`
	Role       fabric.Role      `json:"role,omitempty"`
	Generation fence.Epoch      `json:"generation,omitempty"`
	Node       string           `json:"node,omitempty"` // where the edge's ring lies: name, ID or address, as known to the teller
	Cause      string           `json:"cause,omitempty"`
	Items      uint64           `json:"items,omitempty"`
	Line       uint64           `json:"line,omitempty"`
	Rewire     *api.Rewire      `json:"rewire,omitempty"`
	Edges      []api.EdgeReport `json:"edges,omitempty"`
}
