package leasebroker

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

// Side is where one user of the lease runs. The zero Side is unknown or elsewhere.
type Side struct {
	Node locator.NodeID
	Zone string
}

// Request says what is to be placed.
type Request struct {
	Bytes     uint64
	Zone      string           // required zone; empty: any
	ApartFrom []string         // zones that are out of the question: required spread
	Never     []locator.NodeID // nodes that are out of the question
	Avoid     []locator.NodeID // nodes to use only if nothing else fits, the later ones last, such as one that has just been lost
	OtherZone string           // zone to leave if another has a place that is as good but for closeness; empty: none
	Producer  Side
	Consumer  Side
}

// Candidate is a node as the registry and gossip know it.
type Candidate struct {
	ID     locator.NodeID
	Zone   string
	Health string // gossip's word, as in api.Node: alive; suspect and unknown count as doubtful, all else as gone
	Memory uint64 // bytes that it lends
	Leased uint64 // bytes lent, including what was placed before in the same change
	// Closed nodes are out of the question: they are being drained, or an operator wants nothing new there.
	Closed bool
}

// The points for closeness. Being on the node of one side outweighs being in the zone of both.
const (
	pointsNode = 3
	pointsZone = 1
)

// Place chooses a node: one that is healthy, has room and is in a permitted zone; of these the closest to both sides, of
// these the least loaded, of these the one with the lowest ID. Nodes of doubtful health are taken only if no other
// fits, those to be avoided only after them, and in their order; being in another zone, where that is asked for, comes before closeness. It depends on nothing but its arguments, and not on their order. If no node
// will do, the error is api.ErrNoRoom and says for each candidate why.
func Place(r Request, candidates []Candidate) (locator.NodeID, error) {
	var best *Candidate
	refused := make([]string, 0, len(candidates))
	for i := range candidates {
		c := &candidates[i]
		if why := r.refuse(c); why != "" {
			refused = append(refused, fmt.Sprintf("%s %s", c.ID, why))
		} else if best == nil || r.compare(c, best) < 0 {
			best = c
		}
	}
	if best != nil {
		return best.ID, nil
	}
	if len(refused) == 0 {
		refused = append(refused, "no nodes are known")
	}
	slices.Sort(refused)
	return "", fmt.Errorf("leasebroker: %d bytes: %w (%s)", r.Bytes, api.ErrNoRoom, strings.Join(refused, "; "))
}

// refuse says why c cannot be used; empty: it can.
func (r Request) refuse(c *Candidate) string {
	switch {
	case doubt(c) > 1:
		return fmt.Sprintf("is %s", c.Health)
	case c.Closed:
		return "takes nothing new"
	case r.Zone != "" && c.Zone != r.Zone:
		return fmt.Sprintf("is in zone %q, required is %q", c.Zone, r.Zone)
	case slices.Contains(r.Never, c.ID):
		return "is out of the question"
	case slices.Contains(r.ApartFrom, c.Zone):
		return fmt.Sprintf("is in zone %q, required is another", c.Zone)
	case c.Leased > c.Memory || c.Memory-c.Leased < r.Bytes:
		return fmt.Sprintf("has %d of %d bytes free", c.Memory-min(c.Leased, c.Memory), c.Memory)
	}
	return ""
}

// compare is negative if a is the better place. It is a strict order: IDs are unique.
func (r Request) compare(a, b *Candidate) int {
	return cmp.Or(
		cmp.Compare(r.avoidance(a), r.avoidance(b)),
		cmp.Compare(doubt(a), doubt(b)),
		compareBool(r.stays(a), r.stays(b)),
		cmp.Compare(r.closeness(b), r.closeness(a)),
		compareLoad(a, b),
		cmp.Compare(a.ID, b.ID),
	)
}

// avoidance is how much c is to be avoided; zero: it is not. Where all nodes have lost a ring lately, the one that was lost last is the
// least likely to be back, and gossip may not know yet.
func (r Request) avoidance(c *Candidate) int {
	for i, id := range slices.Backward(r.Avoid) {
		if id == c.ID {
			return i + 1
		}
	}
	return 0
}

func (r Request) stays(c *Candidate) bool { return r.OtherZone != "" && c.Zone == r.OtherZone }

func (r Request) closeness(c *Candidate) int {
	return r.Producer.closeness(c) + r.Consumer.closeness(c)
}

func (s Side) closeness(c *Candidate) int {
	switch {
	case s.Node != "" && s.Node == c.ID:
		return pointsNode
	case s.Zone != "" && s.Zone == c.Zone:
		return pointsZone
	}
	return 0
}

// doubt orders gossip's words. Gossip is a hint: a node that it is not sure of, or has not heard of yet, may be used.
func doubt(c *Candidate) int {
	switch c.Health {
	case "alive":
		return 0
	case "suspect", "unknown", "":
		return 1
	}
	return 2
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// compareLoad compares the leased shares of two nodes, exactly: a.Leased/a.Memory with b.Leased/b.Memory.
func compareLoad(a, b *Candidate) int {
	aHigh, aLow := bits.Mul64(a.Leased, b.Memory)
	bHigh, bLow := bits.Mul64(b.Leased, a.Memory)
	return cmp.Or(cmp.Compare(aHigh, bHigh), cmp.Compare(aLow, bLow))
}
