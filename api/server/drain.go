package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// drain says what is to become of a node. Its rings are moved by whoever leads; see package node/drain.
func (s *Server) drain(w http.ResponseWriter, r *http.Request) error {
	var want api.DrainRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	id := locator.NodeID(r.PathValue("id"))
	if err := checkID("node ID", string(id)); err != nil {
		return err
	}
	current := s.c.Registry.State()
	command := state.DrainNode{Node: id, Drain: want.Drain}
	if err := current.Admits(command); err != nil {
		return err
	}
	n, ok := current.Node(id)
	if !ok {
		return api.Errorf(api.KindNotFound, "no node %s", id)
	}
	if want.Drain != api.DrainNot && !want.Force {
		if err := s.newPlaces(current).hold(n); err != nil {
			return err
		}
	}
	// Even if it stands so here already: a leader that is none any more does not know.
	if _, err := s.c.Registry.Apply(r.Context(), command); err != nil {
		return err
	}
	s.c.Logger.Warn("an operator has set what is placed on a node", "node", id, "drain", want.Drain, "asked_from", r.RemoteAddr)
	return s.answerDrain(w, id)
}

// getDrain says what is left on a node.
func (s *Server) getDrain(_ *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	id := locator.NodeID(r.PathValue("id"))
	if err := checkID("node ID", string(id)); err != nil {
		return err
	}
	return s.answerDrain(w, id)
}

func (s *Server) answerDrain(w http.ResponseWriter, id locator.NodeID) error {
	current := s.c.Registry.State()
	n, ok := current.Node(id)
	if !ok {
		return api.Errorf(api.KindNotFound, "no node %s", id)
	}
	s.setHeaders(w, current)
	status := api.DrainStatus{Node: id, Drain: n.Drain}
	for l := range current.LeasesOn(id) {
		switch record, _ := current.Edge(l.Edge); {
		case l.Edge == "":
			if status.Stay++; len(status.Leases) < api.DrainNamesMax {
				status.Leases = append(status.Leases, l.API())
			}
			continue
		case record.Lease == l.ID:
			status.Rings++
		default:
			status.Spares++
		}
		if len(status.Edges) < api.DrainNamesMax {
			record, _ := current.Edge(l.Edge)
			status.Edges = append(status.Edges, api.DrainEdge{Name: l.Edge, Generation: l.Epoch, Spare: record.Lease != l.ID})
		}
	}
	return answer(w, status)
}

// hold reports which rings of a node the others have no room for.
func (p *places) hold(n state.Node) error {
	p.nodes = slices.Clone(p.nodes)
	for i := range p.nodes {
		p.nodes[i].Closed = p.nodes[i].Closed || p.nodes[i].ID == n.ID
	}
	var left []string
	var why error
	for l := range p.state.LeasesOn(n.ID) {
		record, _ := p.state.Edge(l.Edge)
		if l.Edge == "" || record.Lease != l.ID {
			continue // what is not moved, and spares, which an edge can do without
		}
		if _, err := p.planned(record, nil); err != nil {
			left, why = append(left, record.Name), err
		}
	}
	if len(left) == 0 {
		return nil
	}
	named := strings.Join(left[:min(len(left), 10)], ", ")
	return api.Errorf(api.KindNoRoom, "no other node has room for %d of its rings: %s (%v); with force they stay and the others are moved",
		len(left), named, why)
}
