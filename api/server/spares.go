package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// spare carries out a producer's word about its edge's spare (protocol rules 13 and 15). What the state says is checked when the
// command is applied; here is found a place for the next spare.
func (s *Server) spare(w http.ResponseWriter, r *http.Request) error {
	var want api.SpareRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	session, err := s.authorise(r)
	if err != nil {
		return err
	}
	if err := checkSpare(want, session); err != nil {
		return err
	}
	if err := accessOf(r).may(want.Name); err != nil {
		return err
	}
	current := s.c.Registry.State()
	if record, ok := sparedBefore(current, want); ok {
		return s.answerSpare(w, record)
	}
	command := state.ChangeSpare{Op: want.OpID, Session: session.ID, Edge: want.Name, Expect: want.Expect, Confirm: want.Confirm,
		Arm: want.Arm, Planned: want.Planned, TTL: s.c.RingTTL, Reason: want.Reason, Detail: want.Detail}
	if err := current.Admits(command); err != nil {
		// Not as not available just now: it is not asked again and again until the last node has been upgraded.
		return api.Errorf(api.KindUnsupported, "spare of edge %s: %v", want.Name, err)
	}
	if want.Arm {
		record, done, err := s.placeSpare(r.Context(), current, want, &command)
		if done {
			return s.answerSpare(w, record)
		}
		if err != nil {
			return err
		}
	}
	result, err := s.c.Registry.Apply(r.Context(), command)
	if err != nil {
		return err
	}
	return s.answerSpare(w, result.Edges[0])
}

// placeSpare fills in a place for a command's spare. Want of room refuses only what asks for nothing else, and is no answer to a
// request of which a copy has found room: then the record is done.
func (s *Server) placeSpare(ctx context.Context, current *state.State, want api.SpareRequest, c *state.ChangeSpare) (
	record state.Record, done bool, err error,
) {
	c.Lease = lease.NewID()
	c.Node, err = s.newPlaces(current).spare(want)
	switch {
	case err == nil:
	case want.Confirm != 0:
		c.Lease, c.Node, err = "", "", nil
	case errors.Is(err, api.ErrNoRoom):
		// What was proposed before this barrier is applied after it; see change.
		if err := s.c.Registry.Read(ctx, api.Strict); err != nil {
			return record, false, err
		}
		record, done = sparedBefore(s.c.Registry.State(), want)
	}
	return record, done, err
}

// spare chooses the node of an edge's next spare, as it is once what the request confirms is the ring.
func (p *places) spare(want api.SpareRequest) (locator.NodeID, error) {
	record, ok := p.state.Edge(want.Name)
	if !ok {
		return "", api.Errorf(api.KindNotFound, "no edge %s", want.Name)
	}
	if want.Planned {
		return p.planned(record, want.AvoidNodes)
	}
	now := record.API(p.state)
	switch {
	case now.Spare == nil:
	case now.Spare.Generation == want.Confirm:
		p.giveBack(record.Lease)
		now = now.InSpare()
	default:
		p.giveBack(record.Spare.Lease)
	}
	return p.place(leasebroker.Request{
		Bytes: p.state.RingBytes(now.Capacity), Never: append([]locator.NodeID{now.Locator.Node}, want.AvoidNodes...), OtherZone: now.Locator.Zone,
		Avoid:    lostLately(p.state.Past(want.Name), time.Now()),
		Producer: p.side(now.Producer, false, state.Session{}), Consumer: p.side(now.Consumer, false, state.Session{}),
	})
}

// sparedBefore returns the record of a request that is in the state already, as the state machine would answer it.
func sparedBefore(current *state.State, r api.SpareRequest) (state.Record, bool) {
	record, _ := current.Edge(r.Name)
	return record, record.Spare != nil && record.Spare.Op.ID == r.OpID && record.Spare.Op.Session == r.Session
}

// answerSpare answers with an edge's record. The revision is that of the request's first copy.
func (s *Server) answerSpare(w http.ResponseWriter, record state.Record) error {
	current := s.c.Registry.State()
	s.setHeaders(w, current)
	return answer(w, api.ChangeResponse{Revision: record.Spare.Op.Revision, Edges: []api.Edge{record.API(current)}})
}

// checkSpare looks for what the registry would not, or not say as well.
func checkSpare(r api.SpareRequest, session state.Session) error {
	switch {
	case r.Session != session.ID:
		return api.Errorf(api.KindInvalid, "the body asks for session %q, the headers for %q", r.Session, session.ID)
	case r.OpID == "":
		return api.Errorf(api.KindInvalid, "op_id is empty: without one, an unknown outcome could not be resolved")
	case reasonLabel(r.Reason) == other:
		return api.Errorf(api.KindInvalid, "reason %q is none of the known ones", r.Reason)
	case r.Planned && (r.Confirm != 0 || !r.Arm):
		return api.Errorf(api.KindInvalid, "a planned move is armed, and by itself")
	case r.Confirm == 0 && !r.Arm:
		return api.Errorf(api.KindInvalid, "nothing is asked for: give confirm, arm or both")
	}
	if err := api.CheckEdgeName(r.Name); err != nil {
		return api.Errorf(api.KindInvalid, "edge: %v", err)
	}
	return nil
}
