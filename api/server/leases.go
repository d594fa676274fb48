package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// acquire places and grants a lease outside an edge to the asking session.
func (s *Server) acquire(w http.ResponseWriter, r *http.Request) error {
	var want lease.Request
	if err := decode(r, &want); err != nil {
		return err
	}
	if err := want.Validate(); err != nil {
		return api.Errorf(api.KindInvalid, "%v", err)
	}
	session, err := s.authorise(r)
	if err != nil {
		return err
	}
	if err := accessOf(r).may(want.Name); err != nil {
		return err
	}
	if want.ID == "" {
		want.ID = lease.NewID()
	}
	grant := state.GrantLease{
		Lease: want.ID, Kind: want.Kind, Session: session.ID, Name: want.Name, Bytes: want.Bytes, TTL: want.TTL,
	}
	if grant.Node, err = s.placeLease(want, session); err != nil {
		return err
	}
	result, err := s.c.Registry.Apply(r.Context(), grant)
	if err != nil {
		return err
	}
	current := s.c.Registry.State()
	s.setHeaders(w, current)
	return answer(w, result.Leases[0].Grant(current))
}

func (s *Server) release(w http.ResponseWriter, r *http.Request) error {
	if err := checkID("lease ID", string(leaseID(r))); err != nil {
		return err
	}
	session, err := s.authorise(r)
	if err != nil {
		return err
	}
	if err := s.mayLease(r, leaseID(r)); err != nil {
		return err
	}
	if _, err := s.c.Registry.Apply(r.Context(), state.ReleaseLease{Lease: leaseID(r), Session: session.ID}); err != nil {
		return err
	}
	return s.done(w)
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	detail := q.text("detail")
	if err := q.check(); err != nil {
		return err
	}
	if err := checkID("lease ID", string(leaseID(r))); err != nil {
		return err
	}
	if err := s.mayLease(r, leaseID(r)); err != nil {
		return err
	}
	if _, err := s.c.Registry.Apply(r.Context(), state.RevokeLease{Lease: leaseID(r), Detail: detail}); err != nil {
		return err
	}
	return s.done(w)
}

// adopt moves a ring's lease to a new incarnation of its node.
func (s *Server) adopt(w http.ResponseWriter, r *http.Request) error {
	var want api.AdoptRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	if err := checkID("lease ID", string(leaseID(r))); err != nil {
		return err
	}
	if err := s.mayLease(r, leaseID(r)); err != nil {
		return err
	}
	if l, ok := s.c.Registry.State().Lease(leaseID(r)); ok && l.Epoch != want.Generation {
		return api.Errorf(api.KindInvalid, "lease %s is of generation %d, not %d", l.ID, l.Epoch, want.Generation)
	}
	if _, err := s.c.Registry.Apply(r.Context(), state.AdoptLease{
		Lease: leaseID(r), Node: want.Node, Incarnation: want.Incarnation,
	}); err != nil {
		return err
	}
	return s.done(w)
}

// renew renews a node's leases and sessions in one batch. What has ended is said with how.
func (s *Server) renew(w http.ResponseWriter, r *http.Request) error {
	var want api.RenewRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	own, err := s.ownOf(r.Context(), want)
	if err != nil {
		return err
	}
	renewed, err := s.c.Keeper.Renew(r.Context(), own)
	if err != nil {
		return err
	}
	current := s.c.Registry.State()
	renewed.Ended = map[string]lease.Status{}
	for _, id := range want.Leases {
		if status, ok := current.Ended(string(id)); ok {
			renewed.Ended[string(id)] = status
		}
	}
	for _, id := range want.Sessions {
		if status, ok := current.Ended(string(id)); ok {
			renewed.Ended[string(id)] = status
		}
	}
	return answer(w, renewed)
}

// ownOf leaves of a renewal what belongs to the asking incarnation of the node: an earlier run of it, or a confused one, must
// not keep anything alive. A lease that is not known may merely be newer than this node's state.
func (s *Server) ownOf(ctx context.Context, r api.RenewRequest) (api.RenewRequest, error) {
	if !s.knowsAll(r) {
		if err := s.catchUp(ctx); err != nil {
			return r, err
		}
	}
	current := s.c.Registry.State()
	if n, ok := current.Node(r.Node); !ok || n.Incarnation != r.Incarnation {
		return r, api.Errorf(api.KindFenced, "node %s asks as incarnation %d, it is %d now", r.Node, r.Incarnation, n.Incarnation)
	}
	r.Leases = slices.DeleteFunc(slices.Clone(r.Leases), func(id lease.ID) bool {
		l, ok := current.Lease(id)
		return !ok || l.Node != r.Node || l.Incarnation != r.Incarnation
	})
	r.Sessions = slices.DeleteFunc(slices.Clone(r.Sessions), func(id lease.SessionID) bool {
		session, ok := current.Session(id)
		return !ok || session.Node != r.Node || session.Incarnation != r.Incarnation
	})
	return r, nil
}

func (s *Server) knowsAll(r api.RenewRequest) bool {
	current := s.c.Registry.State()
	n, ok := current.Node(r.Node)
	for _, id := range r.Leases {
		_, known := current.Lease(id)
		ok = ok && known
	}
	for _, id := range r.Sessions {
		_, known := current.Session(id)
		ok = ok && known
	}
	return ok && n.Incarnation >= r.Incarnation
}
