package api

import (
	"fmt"
	"time"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Revision numbers the registry's states: the Raft index of the change. It never falls, and zero is before everything.
type Revision uint64

// Reason says why a record changed.
type Reason string

// The reasons. The list is append-only.
const (
	ReasonCreated   Reason = "created"       // first use of the edge
	ReasonTakeover  Reason = "takeover"      // a stage took a role
	ReasonRingLost  Reason = "ring-lost"     // a side could not reach the ring any more
	ReasonExpired   Reason = "lease-expired" // the ring's lease ran out
	ReasonRevoked   Reason = "lease-revoked" // the ring's lease was taken back
	ReasonCorrupt   Reason = "ring-corrupt"  // a check failed
	ReasonRequested Reason = "requested"     // somebody asked for a planned move
	ReasonGone      Reason = "session-ended" // a role's session ended: the role is free, the generation unchanged
	ReasonRecovered Reason = "adopted"       // a node came back and took its arenas over again
	ReasonRestored  Reason = "restored"      // a recovery or a restore: all generations have jumped, and no ring is there yet

	ReasonSpareArmed Reason = "spare-armed"    // the edge has another spare; ring and generation are as they were
	ReasonMoved      Reason = "moved-to-spare" // the producer moved to the spare, which is the edge's ring now
	ReasonSpareLost  Reason = "spare-lost"     // the spare's lease ran out or was taken back; ring and generation are as they were
)

// Side is one role of an edge: who has it and since which generation.
type Side struct {
	Stage   string          `json:"stage,omitempty"`   // the stage that the role belongs to
	Session lease.SessionID `json:"session,omitempty"` // empty: nobody has the role now
	Node    locator.NodeID  `json:"node,omitempty"`    // the node of that session
	Epoch   fence.Epoch     `json:"epoch"`             // generation of the last takeover of the role
}

// Free reports whether nobody has the role.
func (s Side) Free() bool { return s.Session == "" }

// Edge is a handoff record as the API shows it.
type Edge struct {
	Name       string          `json:"name"`
	Stage      string          `json:"stage"` // the producing stage
	Generation fence.Epoch     `json:"generation"`
	Locator    locator.Locator `json:"locator"`
	Producer   Side            `json:"producer"`
	Consumer   Side            `json:"consumer"`
	Spare      *Spare          `json:"spare,omitempty"` // nil: none is armed. Never changed in place
	Codec      string          `json:"codec,omitempty"` // hash of the codec that both sides must use
	Capacity   uint64          `json:"capacity"`        // of the ring, bytes
	Revision   Revision        `json:"revision"`
	Changed    time.Time       `json:"changed"`
	Reason     Reason          `json:"reason"`
	Deleted    bool            `json:"deleted,omitempty"` // in watch events only: the edge is gone
}

// Spare is a second ring on another node, granted under a generation of its own, to which the edge's producer may move without
// asking. It is granted to the two roles as they are: when either has another epoch, the spare is no more.
type Spare struct {
	Generation fence.Epoch     `json:"generation"`
	Locator    locator.Locator `json:"locator"`
	Producer   fence.Epoch     `json:"producer"` // epochs of the roles
	Consumer   fence.Epoch     `json:"consumer"`
	Planned    bool            `json:"planned,omitempty"` // the producer is to move there as soon as both sides are there
}

// InSpare returns e as it is once the producer has moved to the spare, which there must be, and nobody has told the registry yet:
// what a side attaches to.
func (e Edge) InSpare() Edge {
	e.Generation, e.Locator, e.Spare = e.Spare.Generation, e.Spare.Locator, nil
	return e
}

// Change is one entry of an edge's history.
type Change struct {
	Revision   Revision        `json:"revision"`
	Generation fence.Epoch     `json:"generation"`
	Node       locator.NodeID  `json:"node"`
	Spare      fence.Epoch     `json:"spare,omitempty"` // the spare's generation from then on; zero: none
	Reason     Reason          `json:"reason"`
	Actor      lease.SessionID `json:"actor,omitempty"`
	Detail     string          `json:"detail,omitempty"`
	Time       time.Time       `json:"time"`
}

// edgeNameMax is how long a name may be, bytes.
const edgeNameMax = 128

// CheckEdgeName reports what is wrong with an edge's (or stage's) name.
func CheckEdgeName(name string) error {
	ok := name != "" && len(name) <= edgeNameMax
	for i := 0; ok && i < len(name); i++ { // no regular expression: the registry checks names for each change it applies
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '-':
			ok = i > 0
		default:
			ok = false
		}
	}
	if !ok {
		return fmt.Errorf("%q is not a name: 1 to %d letters, digits, '.', '_' or '-', the first a letter or digit", name, edgeNameMax)
	}
	return nil
}

// EdgeChange asks for a new ring, and perhaps a new holder of a role, on one edge. The change is refused unless the
// record's revision is still Expect (zero: the edge must not exist, and is created).
type EdgeChange struct {
	Name          string           `json:"name"`
	Expect        Revision         `json:"expect"`
	TakeProducer  bool             `json:"take_producer,omitempty"` // the requesting session becomes the producer
	TakeConsumer  bool             `json:"take_consumer,omitempty"`
	Codec         string           `json:"codec,omitempty"`    // must equal the record's, if that has one
	Capacity      uint64           `json:"capacity,omitempty"` // zero: as it was, or the default
	AvoidNodes    []locator.NodeID `json:"avoid_nodes,omitempty"`
	ProducerStage string           `json:"producer_stage,omitempty"` // when taking
	ConsumerStage string           `json:"consumer_stage,omitempty"`
}

// ChangeRequest changes one edge, or all the edges of a stage at once: all of it or nothing. Applied, each edge has
// generation top+1, an arena on a node that the broker chose, and nobody else's ring.
type ChangeRequest struct {
	OpID    string          `json:"op_id"` // chosen by the client; makes an unknown outcome resolvable
	Session lease.SessionID `json:"session"`
	Reason  Reason          `json:"reason"`
	Detail  string          `json:"detail,omitempty"`
	Edges   []EdgeChange    `json:"edges"`
}

// ChangeResponse carries the records after the change.
type ChangeResponse struct {
	Revision Revision `json:"revision"`
	Edges    []Edge   `json:"edges"`
}

// SpareRequest is the producer's word about its edge's spare: that it has moved there (Confirm), that it wants another (Arm), or
// both in one write (POST /v1/spares). The answer is a ChangeResponse.
//
// A confirmation is applied if the record's spare has that generation and belongs to the session's role; no revision is compared.
// Otherwise it is a conflict: the record tells whether it was carried out before, or the edge has moved on to a higher generation,
// or the role is somebody else's.
//
// Alone, Arm is refused unless the record's revision is Expect, both roles are held and the ring's lease is in force; the spare
// that was there is given up. Beside a confirmation it is done if it can be: the answer shows whether there is a spare.
type SpareRequest struct {
	OpID       string           `json:"op_id"` // chosen by the client; makes an unknown outcome resolvable
	Session    lease.SessionID  `json:"session"`
	Name       string           `json:"name"`
	Expect     Revision         `json:"expect,omitempty"`
	Confirm    fence.Epoch      `json:"confirm,omitempty"` // the spare's generation; zero: nothing to confirm
	Arm        bool             `json:"arm,omitempty"`
	AvoidNodes []locator.NodeID `json:"avoid_nodes,omitempty"` // not for the new spare; the ring's own node never is
	Reason     Reason           `json:"reason"`
	Detail     string           `json:"detail,omitempty"`
	// Planned, with Arm alone: the edge is to move there as soon as both sides are there, which the consumer may ask for too.
	Planned bool `json:"planned,omitempty"`
}
