package server

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

func (s *Server) listSessions(current *state.State, q *query, w http.ResponseWriter, _ *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	sessions := []api.Session{}
	for session := range current.Sessions() {
		sessions = append(sessions, shownSession(session))
	}
	return answer(w, sessions)
}

// getSession answers with a session and what ends with it.
func (s *Server) getSession(current *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	id := lease.SessionID(r.PathValue("id"))
	if err := q.check(); err != nil {
		return err
	}
	if err := checkID("session ID", string(id)); err != nil {
		return err
	}
	session, ok := current.Session(id)
	if !ok {
		if _, ended := current.Ended(string(id)); ended {
			return api.Errorf(api.KindSession, "session %s has ended", id)
		}
		return api.Errorf(api.KindNotFound, "no session %s", id)
	}
	detail := api.SessionDetail{Session: shownSession(session), Edges: []string{}, Leases: []lease.ID{}}
	for record := range current.EdgesOf(id) {
		detail.Edges = append(detail.Edges, record.Name)
	}
	for l := range current.Leases() {
		if l.Session == id {
			detail.Leases = append(detail.Leases, l.ID)
		}
	}
	return answer(w, detail)
}

// shownSession is a session as the API shows it: without its secret's sum.
func shownSession(s state.Session) api.Session {
	return api.Session{
		ID: s.ID, Stage: s.Stage, Node: s.Node, Incarnation: s.Incarnation, PID: s.PID, TTL: s.TTL,
		Opened: time.Unix(0, s.Opened).UTC(), Rules: s.Rules,
	}
}

// getLease answers with a lease in force, or how it ended.
func (s *Server) getLease(current *state.State, q *query, w http.ResponseWriter, r *http.Request) error {
	id := leaseID(r)
	if err := q.check(); err != nil {
		return err
	}
	if err := checkID("lease ID", string(id)); err != nil {
		return err
	}
	l, ok := current.Lease(id)
	if !ok {
		return endedLease(current, id)
	}
	if err := accessOf(r).may(leaseName(l)); err != nil {
		return err
	}
	return answer(w, l.API())
}

// leaseName is the name by which rules go for a lease.
func leaseName(l state.Lease) string { return cmp.Or(l.Edge, l.Name) }

// mayLease refuses what a request asks of a lease that its caller has no right to. Of one that there is not, who may not do everything learns
// how it ended, and nothing is done.
func (s *Server) mayLease(r *http.Request, id lease.ID) error {
	access := accessOf(r)
	if access.allows("") {
		return nil
	}
	l, ok := s.c.Registry.State().Lease(id)
	if !ok {
		if err := s.catchUp(r.Context()); err != nil {
			return err
		}
		if l, ok = s.c.Registry.State().Lease(id); !ok {
			return endedLease(s.c.Registry.State(), id)
		}
	}
	return access.may(leaseName(l))
}

// endedLease says why there is no such lease, as far as it is remembered.
func endedLease(current *state.State, id lease.ID) error {
	switch status, ok := current.Ended(string(id)); {
	case !ok:
		return api.Errorf(api.KindNotFound, "no lease %s", id)
	case status == lease.Released:
		return api.Errorf(api.KindNotFound, "lease %s was released", id)
	default:
		return fmt.Errorf("lease %s: %w", id, status.Err())
	}
}
