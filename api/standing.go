package api

import (
	"slices"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
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

// EdgeStates lists the states, those last in which the least is known of when it goes on.
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

// Trace is a Rewire, and whose it was.
type Trace struct {
	Edge    string          `json:"edge"`
	Role    fabric.Role     `json:"role"`
	Stage   string          `json:"stage"`
	Session lease.SessionID `json:"session"`
	Node    locator.NodeID  `json:"node"` // that it was reported to, and that keeps it
	Rewire
}

// SideReport is what a stage has last said of its side of an edge.
type SideReport struct {
	Stage   string          `json:"stage"`
	Session lease.SessionID `json:"session"`
	Node    locator.NodeID  `json:"node"`   // that it was reported to
	Age     time.Duration   `json:"age_ns"` // since then
	EdgeReport
}

// Unheard is a node of which nothing is known now, and why.
type Unheard struct {
	Node locator.NodeID `json:"node"`
	Name string         `json:"name,omitempty"`
	Why  string         `json:"why"`
}

// Reports is what the stages have reported of their edges, gathered from the nodes that they report to (GET /v1/reports). None of it is in the
// registry: a node keeps the last report of each of its stages' sides while the session lives, and the last traces of each side of an edge until
// it stops itself. What the stages on an unheard node have reported is missing.
type Reports struct {
	Sides   []SideReport `json:"sides"`
	Traces  []Trace      `json:"traces"`
	Unheard []Unheard    `json:"unheard"`
}

// Standing is how an edge stands, put together from its record and its two sides.
type Standing struct {
	State    EdgeState     `json:"state,omitempty"` // empty: nobody has said
	Since    time.Time     `json:"since,omitzero"`  // zero: nobody has said
	Lag      time.Duration `json:"lag_ns"`          // see EdgeReport
	Items    uint64        `json:"lag_items"`       // pushed and not acknowledged; the producer retains them
	Bytes    uint64        `json:"retain_bytes"`    // in which
	Producer *SideReport   `json:"-"`               // nil: nobody has the role, or he has not said anything
	Consumer *SideReport   `json:"-"`
}

// StandingOf puts together how e stands. Only holders of its roles count, and of them the one whose state is the worse; but a producer's word
// that nothing is acknowledged does not count against a consumer that goes on taking items.
func StandingOf(e Edge, sides []SideReport) (s Standing) {
	for i, r := range sides {
		switch {
		case r.Edge != e.Name:
		case r.Role == fabric.RoleProducer && r.Session == e.Producer.Session:
			s.Producer, s.Lag, s.Items, s.Bytes = &sides[i], r.Lag, r.Retained, r.RetainBytes
		case r.Role == fabric.RoleConsumer && r.Session == e.Consumer.Session:
			s.Consumer = &sides[i]
		}
	}
	worst := -1
	for _, r := range []*SideReport{s.Producer, s.Consumer} {
		if r == nil || r == s.Producer && r.State == StateStalled && s.Consumer.takes() {
			continue
		}
		if n := slices.Index(EdgeStates(), r.State); n > worst {
			worst, s.State, s.Since = n, r.State, r.Since
		}
	}
	if (e.Producer.Free() || e.Consumer.Free()) && worst < slices.Index(EdgeStates(), StateFilling) {
		s.State, s.Since = StateFilling, time.Time{} // and whoever is left will say so
	}
	return s
}

// takes reports whether a consumer has items in hand and is getting on.
func (r *SideReport) takes() bool { return r != nil && r.State == StateFlowing && r.Retained > 0 }
