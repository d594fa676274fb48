package server

import (
	"errors"
	"net/http"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/registry/state"
)

// capacityDefault is the ring of an edge whose creator did not say, in bytes.
const capacityDefault = 1 << 20

// change gives edges new rings for a stage: one command for all of them (protocol rules 1 to 4). What the state says is
// checked when the command is applied; here only what the state cannot know is done, the choice of places.
func (s *Server) change(w http.ResponseWriter, r *http.Request) error {
	var want api.ChangeRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	session, err := s.authorise(r)
	if err != nil {
		return err
	}
	if err := checkChange(want, session); err != nil {
		return err
	}
	for _, e := range want.Edges {
		if err := accessOf(r).may(e.Name); err != nil {
			return err
		}
	}
	current := s.c.Registry.State()
	if records, ok := appliedBefore(current, want); ok {
		return s.answerChange(w, records)
	}
	command, err := s.placeChange(current, want, session)
	if errors.Is(err, api.ErrNoRoom) {
		// A copy of this request may be on its way through the log and have found room. What was proposed before this barrier
		// is applied after it.
		if err := s.c.Registry.Read(r.Context(), api.Strict); err != nil {
			return err
		}
		if records, ok := appliedBefore(s.c.Registry.State(), want); ok {
			return s.answerChange(w, records)
		}
	}
	if err != nil {
		return err
	}
	result, err := s.c.Registry.Apply(r.Context(), command)
	if err != nil {
		return err
	}
	return s.answerChange(w, result.Edges)
}

// appliedBefore returns the records of a change that is in the state already, as the state machine would answer it: nothing is
// placed for it again, and no want of room or of healthy nodes now can hide that it was done.
func appliedBefore(current *state.State, r api.ChangeRequest) (records []state.Record, ok bool) {
	for _, e := range r.Edges {
		record, ok := current.Edge(e.Name)
		if !ok || record.Op.ID != r.OpID || record.Op.Session != r.Session {
			return nil, false
		}
		records = append(records, record)
	}
	return records, true
}

// placeChange finds a place for each ring of a change.
func (s *Server) placeChange(current *state.State, r api.ChangeRequest, session state.Session) (state.ChangeEdges, error) {
	command := state.ChangeEdges{Op: r.OpID, Session: session.ID, Reason: r.Reason, Detail: r.Detail, TTL: s.c.RingTTL}
	places := s.newPlaces(current)
	for _, edge := range r.Edges {
		places.release(edge.Name)
	}
	for _, edge := range r.Edges {
		placed, err := places.edge(edge, session)
		if err != nil {
			return state.ChangeEdges{}, err
		}
		command.Edges = append(command.Edges, placed)
	}
	return command, nil
}

// answerChange answers with the records as the change left them: its revision is theirs.
func (s *Server) answerChange(w http.ResponseWriter, records []state.Record) error {
	current := s.c.Registry.State()
	s.setHeaders(w, current)
	answered := api.ChangeResponse{Revision: records[0].Op.Revision}
	for _, record := range records {
		answered.Edges = append(answered.Edges, record.API(current))
	}
	return answer(w, answered)
}

// checkChange looks for what would otherwise become a bad placement or a misleading history. The rest is the registry's.
func checkChange(r api.ChangeRequest, session state.Session) error {
	if r.Session != session.ID {
		return api.Errorf(api.KindInvalid, "the body asks for session %q, the headers for %q", r.Session, session.ID)
	}
	if r.OpID == "" {
		return api.Errorf(api.KindInvalid, "op_id is empty: without one, an unknown outcome could not be resolved")
	}
	if reasonLabel(r.Reason) == other {
		return api.Errorf(api.KindInvalid, "reason %q is none of the known ones", r.Reason)
	}
	if len(r.Edges) == 0 || len(r.Edges) > state.ChangeEdgesMax {
		return api.Errorf(api.KindInvalid, "%d edges in one change, must be 1 to %d", len(r.Edges), state.ChangeEdgesMax)
	}
	for _, e := range r.Edges {
		if err := api.CheckEdgeName(e.Name); err != nil {
			return api.Errorf(api.KindInvalid, "edge: %v", err)
		}
		if c := e.Capacity; c != 0 && (c < fabric.CapacityMin || c > fabric.CapacityMax || c&(c-1) != 0) {
			return api.Errorf(api.KindInvalid, "edge %s: capacity %d: must be a power of two from %d to %d",
				e.Name, c, fabric.CapacityMin, fabric.CapacityMax)
		}
	}
	return nil
}
