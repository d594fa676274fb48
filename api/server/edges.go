package server

import (
	"net/http"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

func (s *Server) listEdges(current *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	prefix := q.text("prefix")
	if err := q.check(); err != nil {
		return err
	}
	edges, access := []api.Edge{}, accessOf(r)
	for record := range current.Edges(prefix) {
		if access.allows(record.Name) {
			edges = append(edges, record.API(current))
		}
	}
	return answer(w, edges)
}

func (s *Server) getEdge(current *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	record, err := edgeOf(current, r)
	if err != nil {
		return err
	}
	return answer(w, record.API(current))
}

func (s *Server) getHistory(current *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	record, err := edgeOf(current, r)
	if err != nil {
		return err
	}
	return answer(w, current.History(record.Name))
}

// edgeOf returns the record that the request's path names.
func edgeOf(current *state.State, r *http.Request) (state.Record, error) {
	name := r.PathValue("name")
	if err := api.CheckEdgeName(name); err != nil {
		return state.Record{}, api.Errorf(api.KindInvalid, "edge: %v", err)
	}
	record, ok := current.Edge(name)
	if !ok {
		return state.Record{}, api.Errorf(api.KindNotFound, "no edge %s", name)
	}
	return record, nil
}

func (s *Server) deleteEdge(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	expect, op := q.number("expect", true), q.text("op")
	if err := q.check(); err != nil {
		return err
	}
	name := r.PathValue("name")
	if err := api.CheckEdgeName(name); err != nil {
		return api.Errorf(api.KindInvalid, "edge: %v", err)
	}
	command := state.DeleteEdge{Name: name, Expect: api.Revision(expect), Op: op}
	if err := s.c.Registry.State().Admits(command); err != nil {
		return err
	}
	if _, err := s.c.Registry.Apply(r.Context(), command); err != nil {
		return err
	}
	return s.done(w)
}

// done answers a write that has nothing to show.
func (s *Server) done(w http.ResponseWriter) error {
	s.setHeaders(w, s.c.Registry.State())
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// listLeases answers with all leases that the caller may see, rings' and others.
func (s *Server) listLeases(current *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	leases, access := []api.Lease{}, accessOf(r)
	for l := range current.Leases() {
		if access.allows(leaseName(l)) {
			leases = append(leases, l.API())
		}
	}
	return answer(w, leases)
}

func leaseID(r *http.Request) lease.ID { return lease.ID(r.PathValue("id")) }
