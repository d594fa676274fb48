package api

import (
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
)

// Drain says whether a node is being emptied: nothing new is placed on it, and the rings that it has are moved to others.
type Drain string

// The states of a node. The list is append-only.
const (
	DrainNot          Drain = ""              // rings are placed on it
	DrainUntilEnabled Drain = "until-enabled" // not until an operator says so
	DrainUntilStart   Drain = "until-start"   // not until it is started again
)

// DrainRequest sets what is to become of a node (POST /v1/nodes/{id}/drain). It is refused as ErrNoRoom, and names edges, if the other
// nodes have no place for what is there, unless forced. The answer is a DrainStatus.
type DrainRequest struct {
	Drain Drain `json:"drain"`
	Force bool  `json:"force,omitempty"` // what does not fit elsewhere stays
}

// DrainStatus says what is left on a node (GET /v1/nodes/{id}/drain). It is empty of edges when Rings and Spares are zero.
type DrainStatus struct {
	Node   locator.NodeID `json:"node"`
	Drain  Drain          `json:"drain"`
	Rings  int            `json:"rings"`
	Spares int            `json:"spares"`
	Edges  []DrainEdge    `json:"edges,omitempty"`  // of those, at most DrainNamesMax
	Stay   int            `json:"stay"`             // leases of memory and storage outside edges, which are not moved
	Leases []Lease        `json:"leases,omitempty"` // of those, at most DrainNamesMax
}

// DrainNamesMax bounds the edges, and the leases, that a DrainStatus names.
const DrainNamesMax = 100

// DrainEdge is an edge that has a ring or a spare on a node.
type DrainEdge struct {
	Name       string      `json:"name"`
	Generation fence.Epoch `json:"generation"`
	Spare      bool        `json:"spare,omitempty"`
}

// EligibilityRequest says whether a node may get anything new (POST /v1/nodes/{id}/eligibility). What it has stays there in either case, and its
// word stands until the next, over starts and drains. Ineligible must be given.
type EligibilityRequest struct {
	Ineligible *bool `json:"ineligible"`
}
