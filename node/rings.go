package node

import (
	"context"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node/host"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// rings is what the host sees of the registry: this node's own, from its own replica.
type rings struct {
	self     locator.NodeID
	registry *registry.Registry
}

// WaitApplied blocks until this replica has applied r.
func (s rings) WaitApplied(ctx context.Context, r api.Revision) error {
	return s.registry.WaitApplied(ctx, r)
}

// Ring returns the ring in an arena of this node, or why there is none.
func (s rings) Ring(id locator.ArenaID) (host.Ring, lease.Status) {
	current := s.registry.State()
	l, ok := current.Lease(lease.ID(id))
	if !ok {
		if status, ended := current.Ended(string(id)); ended {
			return host.Ring{}, status
		}
		return host.Ring{}, lease.Released
	}
	if r, ok := s.ring(current, l); ok {
		return r, lease.Active
	}
	return host.Ring{}, lease.Released
}

// ring is the ring that l grants, if its edge's record still points at it, as the edge's ring or as its spare. A spare belongs to
// the roles that it was granted to.
func (s rings) ring(current *state.State, l state.Lease) (host.Ring, bool) {
	record, ok := current.Edge(l.Edge)
	if l.Edge == "" || l.Node != s.self || !ok {
		return host.Ring{}, false
	}
	spare := record.Spare
	switch {
	case record.Lease == l.ID:
	case spare != nil && spare.Lease == l.ID && spare.Producer == record.Producer.Epoch && spare.Consumer == record.Consumer.Epoch:
	default:
		return host.Ring{}, false
	}
	return host.Ring{
		Lease: l.ID, Edge: record.Name, Generation: l.Epoch, Capacity: record.Capacity, Incarnation: l.Incarnation,
		Producer: record.Producer, Consumer: record.Consumer, Spare: record.Lease != l.ID,
	}, true
}

// Session returns what the host goes by of a live session.
func (s rings) Session(id lease.SessionID) (host.Session, bool) {
	session, ok := s.registry.State().Session(id)
	return host.Session{TokenSum: session.Token, Rules: session.Rules}, ok
}

// Edge reports whether there is an edge of that name.
func (s rings) Edge(name string) bool {
	_, ok := s.registry.State().Edge(name)
	return ok
}
