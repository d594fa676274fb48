package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// authorise returns the live session that r's headers name and prove. A session that this node has not heard of may merely
// be newer than its state, and "your session has ended" is terminal for who hears it: look again behind a quorum round
// before saying so. From then on the session's rules bind the request, whoever else asks.
func (s *Server) authorise(r *http.Request) (state.Session, error) {
	id, token := lease.SessionID(r.Header.Get(api.HeaderSession)), r.Header.Get(api.HeaderToken)
	if id == "" || token == "" {
		return state.Session{}, api.Errorf(api.KindInvalid, "headers %s and %s are required: only a stage's session may ask this",
			api.HeaderSession, api.HeaderToken)
	}
	session, ok := s.c.Registry.State().Session(id)
	if !ok {
		if err := s.catchUp(r.Context()); err != nil {
			return state.Session{}, err
		}
		if session, ok = s.c.Registry.State().Session(id); !ok {
			return state.Session{}, api.Errorf(api.KindSession, "session %s has ended", id)
		}
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], session.Token[:]) != 1 {
		return state.Session{}, api.Errorf(api.KindSession, "the token is not that of session %s", id)
	}
	accessOf(r).also = session.Rules
	return session, nil
}

// meant refuses a request that names another cluster than this node's. An address may have come to be another's, or the cluster was
// recovered without whoever asks: two clusters must not mix. Nodes always say it, clients once they have had an answer.
func (s *Server) meant(r *http.Request, current *state.State) error {
	is, want := current.Cluster(), r.Header.Get(api.HeaderCluster)
	if is == "" || want == "" || is == want {
		return nil
	}
	return api.Errorf(api.KindCluster, "node %s is of cluster %s, the request is for %q: is this the right address? A cluster that was "+
		"recovered has another ID, and whoever was left behind must be wiped", s.c.Node, is, want)
}

// catchUp makes this node's state as fresh as a default read.
func (s *Server) catchUp(ctx context.Context) error {
	return s.c.Registry.Read(ctx, api.Default)
}
