package server

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// session carries out a node's word about one of its sessions.
func (s *Server) session(w http.ResponseWriter, r *http.Request) error {
	var want api.SessionRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	command, err := sessionCommand(want)
	if err != nil {
		return err
	}
	if err := s.c.Registry.State().Admits(command); err != nil {
		return err
	}
	result, err := s.c.Registry.Apply(r.Context(), command)
	if want.End != nil && errors.Is(err, api.ErrSessionLost) {
		err, result.Revision = nil, s.c.Registry.State().Revision() // it has ended, which is what was asked for
	}
	if err != nil {
		return err
	}
	s.setHeaders(w, s.c.Registry.State())
	return answer(w, api.SessionResponse{Revision: result.Revision})
}

func sessionCommand(r api.SessionRequest) (state.Command, error) {
	var commands []state.Command
	var sums [][]byte
	if o := r.Open; o != nil {
		commands, sums = append(commands, state.OpenSession{Session: o.Session, Stage: o.Stage, Node: o.Node,
			Incarnation: o.Incarnation, PID: o.PID, TTL: o.TTL, Token: tokenSum(o.TokenSum), Rules: o.Rules}), append(sums, o.TokenSum)
	}
	if a := r.Adopt; a != nil {
		commands, sums = append(commands, state.AdoptSession{Session: a.Session, Node: a.Node,
			Incarnation: a.Incarnation, Token: tokenSum(a.TokenSum)}), append(sums, a.TokenSum)
	}
	if e := r.End; e != nil {
		commands = append(commands, state.EndSession{Session: e.Session, Incarnation: e.Incarnation})
	}
	if len(commands) != 1 {
		return nil, api.Errorf(api.KindInvalid, "exactly one of open, adopt and end must be given, not %d", len(commands))
	}
	for _, sum := range sums {
		if len(sum) != len(state.Session{}.Token) {
			return nil, api.Errorf(api.KindInvalid, "token_sum has %d bytes, must be a SHA-256", len(sum))
		}
	}
	return commands[0], nil
}

// tokenSum copies what it can; the caller checks the length.
func tokenSum(b []byte) (sum [32]byte) {
	copy(sum[:], b)
	return sum
}

// found makes this node's promise to a founder. See package node.
func (s *Server) found(w http.ResponseWriter, r *http.Request) error {
	var want api.FoundRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	if err := s.c.Founding.Promise(want); err != nil {
		return err
	}
	return answer(w, json.RawMessage(`{}`))
}
