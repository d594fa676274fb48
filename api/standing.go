package api

import (
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// EdgeState says how an edge stands, as one of its sides knows it.
type EdgeState string

// The states. There are no others.
const (
	// StateFlowing: the ring is bound at this side and nothing is missing in it. An edge that has nothing to bring flows too.
	StateFlowing EdgeState = "flowing"
	// StateFilling: nobody has the other role. What is pushed meanwhile fills the ring and the producer's window.
	StateFilling EdgeState = "filling"
	// StateDetecting: the ring has ended, and whether it is lost or has been moved is not known yet.
	StateDetecting EdgeState = "detecting"
	// StateRelocating: the ring is lost, and there is no other yet: the registry, or for the spare the producer, is asked for one.
	StateRelocating EdgeState = "relocating"
	// StateRebinding: the ring is known, and this side attaches it, or a producer waits there for where to go on.
	StateRebinding EdgeState = "rebinding"
	// StateStalled: the ring is well and items wait, but none was taken or acknowledged for some time.
	StateStalled EdgeState = "stalled"
)

// EdgeStates lists the states, the worst last but for StateStalled, which is no fault of the edge's.
func EdgeStates() []EdgeState {
	return []EdgeState{StateFlowing, StateStalled, StateFilling, StateRebinding, StateDetecting, StateRelocating}
}

// Rewire is how one side of an edge came from one ring to the next, and when. It ends with the first new item in the next ring, or when that
// is lost too after it had been taken up. The phases count from Noticed, each to the ring in which it ended.
type Rewire struct {
	From       fence.Epoch   `json:"from"`       // generation of the ring that was left
	Generation fence.Epoch   `json:"generation"` // of the one in which it ended
	Reason     Reason        `json:"reason"`     // why it was left
	Cause      string        `json:"cause,omitempty"`
	Spare      bool          `json:"spare,omitempty"` // it ended in the spare
	Rings      int           `json:"rings"`           // how many were tried, that one included
	Noticed    time.Time     `json:"noticed"`         // this side learnt that its ring is lost, or that the edge has gone on to another
	Decided    time.Duration `json:"decided_ns"`      // it knew which ring is next
	Attached   time.Duration `json:"attached_ns"`     // it had that one open; a spare is open before it is decided
	Resumed    time.Duration `json:"resumed_ns"`      // the consumer had said where to go on; the producer had read that
	First      time.Duration `json:"first_ns"`        // the first new item was accepted; at the producer: the first was sent. Negative: there was none
}

// Phase is a stretch of a Rewire.
type Phase struct {
	Name string
	Took time.Duration
}

// Phases returns the stretches between the marks of r, one after the other, up to the first new item if there was one.
func (r Rewire) Phases() []Phase {
	all := []Phase{
		{"decided", r.Decided}, {"attached", r.Attached - r.Decided}, {"resumed", r.Resumed - r.Attached}, {"first", r.First - r.Resumed},
	}
	if r.First < 0 {
		all = all[:3]
	}
	return all
}

// Trace is a Rewire and whose it was.
type Trace struct {
	Edge  string      `json:"edge"`
	Role  fabric.Role `json:"role"`
	Stage string      `json:"stage"`
	Node  string      `json:"node"` // that the stage reported it to
	Rewire
}
