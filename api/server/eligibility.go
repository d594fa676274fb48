package server

import (
	"net/http"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// eligibility says whether anything new may be placed on a node. What it has stays; see drain for the rest.
func (s *Server) eligibility(w http.ResponseWriter, r *http.Request) error {
	var want api.EligibilityRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	id := locator.NodeID(r.PathValue("id"))
	if err := checkID("node ID", string(id)); err != nil {
		return err
	}
	if want.Ineligible == nil { // an empty body is no wish
		return api.Errorf(api.KindInvalid, "ineligible is missing: true or false")
	}
	command := state.SetEligibility{Node: id, Ineligible: *want.Ineligible}
	if err := s.c.Registry.State().Admits(command); err != nil {
		return err
	}
	// Even if it stands so here already: a leader that is none any more does not know.
	if _, err := s.c.Registry.Apply(r.Context(), command); err != nil {
		return err
	}
	s.c.Logger.Warn("an operator has said whether a node may get anything new", "node", id, "eligible", !command.Ineligible, "asked_from", r.RemoteAddr)
	return s.done(w)
}

// resize notes how much memory a node lends from now on, by its own word.
func (s *Server) resize(w http.ResponseWriter, r *http.Request) error {
	var want api.ResizeRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	command := state.ResizeNode{Node: want.Node, Incarnation: want.Incarnation, Memory: want.Memory}
	if err := s.c.Registry.State().Admits(command); err != nil {
		return err
	}
	if _, err := s.c.Registry.Apply(r.Context(), command); err != nil {
		return err
	}
	return s.done(w)
}
