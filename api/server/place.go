package server

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry/state"
)

// places chooses nodes for one request, one edge after the other: what one edge has been given is no longer free for the
// next. The state decides again when the command is applied.
type places struct {
	state *state.State
	nodes []leasebroker.Candidate // with what will be lent of their memory when what was placed so far is applied
}

func (s *Server) newPlaces(current *state.State) *places {
	p, members := &places{state: current}, s.c.Gossip.Members()
	for n := range current.Nodes() {
		c := leasebroker.Candidate{ID: n.ID, Zone: n.Zone, Memory: n.Memory, Leased: current.Leased(n.ID), Closed: n.Closed()}
		if i := slices.IndexFunc(members, func(m membership.Member) bool { return m.ID == n.ID }); i >= 0 {
			c.Health = string(members[i].Health)
		}
		p.nodes = append(p.nodes, c)
	}
	return p
}

// lend counts bytes in at a node, or out if they are negative.
func (p *places) lend(node locator.NodeID, bytes int64) {
	if i := slices.IndexFunc(p.nodes, func(c leasebroker.Candidate) bool { return c.ID == node }); i >= 0 {
		p.nodes[i].Leased += uint64(bytes)
	}
}

// release counts out the ring and the spare that an edge has now: a change gives their memory back before it takes any.
func (p *places) release(edge string) {
	record, _ := p.state.Edge(edge)
	p.giveBack(record.Lease)
	if record.Spare != nil {
		p.giveBack(record.Spare.Lease)
	}
}

func (p *places) giveBack(id lease.ID) {
	if l, ok := p.state.Lease(id); ok {
		p.lend(l.Node, -int64(p.state.RingBytes(l.Bytes)))
	}
}

// edge fills in a place for e's next ring: close to the stages that hold its sides after the change.
func (p *places) edge(e api.EdgeChange, actor state.Session) (state.EdgeChange, error) {
	record, exists := p.state.Edge(e.Name)
	switch {
	case e.Capacity != 0:
	case exists:
		e.Capacity = record.Capacity
	default:
		e.Capacity = capacityDefault
	}
	r := p.moving(record, e.AvoidNodes)
	r.Bytes = p.state.RingBytes(e.Capacity)
	r.Producer, r.Consumer = p.side(record.Producer, e.TakeProducer, actor), p.side(record.Consumer, e.TakeConsumer, actor)
	node, err := p.place(r)
	if err != nil {
		return state.EdgeChange{}, fmt.Errorf("edge %s: %w", e.Name, err)
	}
	return state.EdgeChange{
		Name: e.Name, Expect: e.Expect, TakeProducer: e.TakeProducer, TakeConsumer: e.TakeConsumer,
		ProducerStage: e.ProducerStage, ConsumerStage: e.ConsumerStage, Codec: e.Codec, Capacity: e.Capacity,
		Lease: lease.NewID(), Node: node,
	}, nil
}

// lossCounts is how long a node is avoided by an edge that lost its ring there: longer than both sides take to find out, one
// after the other, that they cannot reach each other's node.
const lossCounts = 2 * time.Minute

// lostLately returns the nodes on which an edge has lost rings, the last loss last. Each side knows only what it cannot reach itself: if neither
// reaches the other's node, each would send the ring back to where the other has just lost it, and never to a third node.
// The clock may be wrong: what is avoided is still used if nothing else will do.
func lostLately(history iter.Seq[api.Change], now time.Time) (nodes []locator.NodeID) {
	var before locator.NodeID
	for c := range history {
		if c.Reason == api.ReasonRingLost && before != "" && now.Sub(c.Time) < lossCounts {
			nodes = append(nodes, before)
		}
		before = c.Node
	}
	return nodes
}

// side is where a role will be: with the actor if it takes it, else where it is.
func (p *places) side(now api.Side, taken bool, actor state.Session) leasebroker.Side {
	node := now.Node
	switch {
	case taken:
		node = actor.Node
	case now.Free():
		return leasebroker.Side{}
	}
	n, _ := p.state.Node(node) // none: the zero side, which is nowhere
	return leasebroker.Side{Node: n.ID, Zone: n.Zone}
}

func (p *places) place(r leasebroker.Request) (locator.NodeID, error) {
	node, err := leasebroker.Place(r, p.nodes)
	if err == nil {
		p.lend(node, int64(r.Bytes))
	}
	return node, err
}

// placeLease chooses a node for a lease outside an edge. A named region that exists stays where it is, and so does a lease
// that was granted when the request came before. Storage is not counted as memory is: it asks for none.
func (s *Server) placeLease(want lease.Request, session state.Session) (locator.NodeID, error) {
	current := s.c.Registry.State()
	if had, ok := current.Lease(want.ID); ok {
		return had.Node, nil
	}
	if _, ended := current.Ended(string(want.ID)); ended {
		return "", endedLease(current, want.ID)
	}
	if want.Name != "" {
		if had, ok := current.Region(want.Name); ok {
			return had.Node, nil
		}
	}
	places := s.newPlaces(current)
	r := leasebroker.Request{Zone: want.Zone, Producer: places.side(api.Side{}, true, session)}
	if want.Kind == lease.KindMemory {
		r.Bytes = want.Bytes
	}
	return places.place(r)
}
