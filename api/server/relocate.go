package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

const (
	// relocateTries bounds how often a planned move is tried against stages that change the edge meanwhile.
	relocateTries = 5
	// plannedWait is how long the two sides have to move to a ring that was made for that. It takes milliseconds, unless one of them
	// hangs or is of a version that knows no planned moves: then the edge is moved without them.
	plannedWait = 2 * time.Second
	// plannedLook is how often it is looked whether they have.
	plannedLook = time.Millisecond
)

// relocate is an operator's planned move: nobody's role changes.
func (s *Server) relocate(w http.ResponseWriter, r *http.Request) error {
	var want api.RelocateRequest
	if r.ContentLength != 0 {
		if err := decode(r, &want); err != nil {
			return err
		}
	}
	record, err := edgeOf(s.c.Registry.State(), r)
	if err != nil {
		return err
	}
	moved, err := s.Relocate(r.Context(), record.Name, want)
	if err != nil {
		return err
	}
	return answer(w, moved)
}

// Relocate moves an edge to another ring and returns its record there. Only the leader can. An edge that changes meanwhile is read
// again, a few times; so is one of which nobody knows whether it was changed, as long as a majority says that this node leads.
func (s *Server) Relocate(ctx context.Context, name string, want api.RelocateRequest) (moved api.Edge, err error) {
	was, _ := s.c.Registry.State().Edge(name)
	var doubt error
	for range relocateTries {
		moved, err = s.relocateOnce(ctx, name, want)
		switch {
		case err == nil || ctx.Err() != nil:
			return moved, err
		case errors.Is(err, api.ErrUnknown):
			if s.c.Registry.Read(ctx, api.Default) != nil {
				return moved, err
			}
			doubt = err
			current := s.c.Registry.State()
			if now, ok := current.Edge(name); ok && now.Generation > was.Generation && !slices.Contains(want.Avoid, now.Node) {
				return now.API(current), nil
			}
		case !errors.Is(err, api.ErrConflict):
			return moved, stillOpen(doubt, err)
		}
	}
	return moved, stillOpen(doubt, err)
}

// stillOpen is err, unless it says that nothing was done and what was done before that is not known.
func stillOpen(doubt, err error) error {
	if doubt == nil || !errors.Is(err, api.ErrNoQuorum) {
		return err
	}
	return fmt.Errorf("%w: %w", doubt, err)
}

// relocateOnce moves an edge as it is now: as planned, or without its sides if they do not come.
func (s *Server) relocateOnce(ctx context.Context, name string, want api.RelocateRequest) (moved api.Edge, err error) {
	var doubt error
	if !want.AtOnce {
		moved, err = s.plan(ctx, name, want.Avoid)
		switch {
		case err == nil || ctx.Err() != nil || errors.Is(err, api.ErrConflict) || errors.Is(err, api.ErrUnknown):
			return moved, err
		case errors.Is(err, errLate):
			doubt = api.Errorf(api.KindUnknown, "%v yet", err)
		}
	}
	moved, err = s.moveNow(ctx, name, want.Avoid)
	return moved, stillOpen(doubt, err)
}

var (
	// errUnplanned says that a move cannot be planned.
	errUnplanned = api.Errorf(api.KindUnavailable, "the edge has no two sides that could move to a ring that is made for that")
	// errLate says that one was planned and has not come about. It still may.
	errLate = api.Errorf(api.KindUnavailable, "the edge's sides have not moved to a ring that was made for that")
)

// plan arms a ring to which the edge's sides are to move, and waits until they have. A conflict says to look again.
func (s *Server) plan(ctx context.Context, name string, avoid []locator.NodeID) (api.Edge, error) {
	current := s.c.Registry.State()
	record, ok := current.Edge(name)
	if !ok {
		return api.Edge{}, api.Errorf(api.KindNotFound, "no edge %s", name)
	}
	if _, lives := current.Lease(record.Lease); !lives || record.Producer.Free() || record.Consumer.Free() {
		return api.Edge{}, errUnplanned // nobody uses it
	}
	if p := record.Spare; p != nil && p.Planned && p.Lease != "" && !slices.Contains(avoid, p.Node) {
		return s.planCarried(ctx, record) // somebody has asked already, or the same one who had no answer
	}
	node, err := s.newPlaces(current).planned(record, avoid)
	if err != nil {
		return api.Edge{}, err
	}
	command := state.ChangeSpare{
		Edge: name, Expect: record.Revision, Arm: true, Planned: true, Lease: lease.NewID(), Node: node, TTL: s.c.RingTTL, Reason: api.ReasonRequested,
	}
	if err := current.Admits(command); err != nil {
		return api.Edge{}, err
	}
	result, err := s.c.Registry.Apply(ctx, command)
	if err != nil {
		return api.Edge{}, err
	}
	return s.planCarried(ctx, result.Edges[0])
}

// planCarried waits until an edge is where it was planned to go.
func (s *Server) planCarried(ctx context.Context, planned state.Record) (api.Edge, error) {
	to := planned.Spare.Generation
	late := time.NewTimer(plannedWait)
	defer late.Stop()
	look := time.NewTicker(plannedLook)
	defer look.Stop()
	for {
		current := s.c.Registry.State()
		switch now, ok := current.Edge(planned.Name); {
		case !ok:
			return api.Edge{}, api.Errorf(api.KindNotFound, "edge %s was deleted", planned.Name)
		case now.Generation >= to:
			return now.API(current), nil
		case now.Spare == nil || now.Spare.Generation != to || now.Spare.Lease == "":
			return api.Edge{}, api.Errorf(api.KindConflict, "edge %s: the ring that was made for the move is no more", planned.Name)
		}
		select {
		case <-ctx.Done():
			return api.Edge{}, context.Cause(ctx)
		case <-late.C:
			return api.Edge{}, errLate
		case <-look.C:
		}
	}
}

// planned chooses the node for a planned move. The spare that there is makes room; the ring stays until the move is over.
func (p *places) planned(record state.Record, avoid []locator.NodeID) (locator.NodeID, error) {
	if record.Spare != nil {
		p.giveBack(record.Spare.Lease)
	}
	return p.place(p.moving(record, avoid))
}

// moving is what an edge's next ring needs when no role changes.
func (p *places) moving(record state.Record, avoid []locator.NodeID) leasebroker.Request {
	return leasebroker.Request{
		Bytes: p.state.RingBytes(record.Capacity), Avoid: append(lostLately(p.state.Past(record.Name), time.Now()), avoid...),
		Producer: p.side(record.Producer, false, state.Session{}), Consumer: p.side(record.Consumer, false, state.Session{}),
	}
}

// moveNow gives an edge another ring by rule 4: its sides leave theirs, and then come to the next.
func (s *Server) moveNow(ctx context.Context, name string, avoid []locator.NodeID) (api.Edge, error) {
	current := s.c.Registry.State()
	record, ok := current.Edge(name)
	if !ok {
		return api.Edge{}, api.Errorf(api.KindNotFound, "no edge %s", name)
	}
	places := s.newPlaces(current)
	places.release(name)
	placed, err := places.edge(api.EdgeChange{Name: name, Expect: record.Revision, AvoidNodes: avoid}, state.Session{})
	if err != nil {
		return api.Edge{}, err
	}
	result, err := s.c.Registry.Apply(ctx, state.ChangeEdges{
		Reason: api.ReasonRequested, TTL: s.c.RingTTL, Edges: []state.EdgeChange{placed},
	})
	if err != nil {
		return api.Edge{}, err
	}
	return result.Edges[0].API(s.c.Registry.State()), nil
}
