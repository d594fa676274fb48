package server

import (
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// Why a token is refused, as the counter of refusals has it.
const (
	tokenMalformed = "malformed" // it has not the form of one
	tokenUnknown   = "unknown"   // it was deleted, or never made
	tokenWrong     = "wrong"     // the ID is a token's, the secret is not
	tokenExpired   = "expired"
	tokenRights    = "rights" // it does not allow what is asked for
)

var tokenRefusals = []string{tokenMalformed, tokenUnknown, tokenWrong, tokenExpired, tokenRights}

// tokenAccess is what the token that r shows allows. The errors say nothing of what was shown but the ID.
func (s *Server) tokenAccess(r *http.Request) (*access, error) {
	refuse := func(reason, format string, args ...any) (*access, error) {
		s.tokensRefused.WithLabelValues(reason).Inc()
		return nil, api.Errorf(api.KindForbidden, format, args...)
	}
	shown := r.Header[api.HeaderAuthorization]
	scheme, secret, _ := strings.Cut(shown[0], " ")
	id, hash, ok := api.ParseTokenSecret(secret)
	if !ok || len(shown) > 1 || !strings.EqualFold(scheme, api.TokenScheme) {
		return refuse(tokenMalformed, "header %s shows no token: must be one %q and what grafnode token create has shown",
			api.HeaderAuthorization, api.TokenScheme)
	}
	token, ok := s.c.Registry.State().Token(id)
	switch {
	case !ok:
		return refuse(tokenUnknown, "there is no token %s: it was deleted, or it was made a moment ago and this node has not heard of it yet", id)
	case subtle.ConstantTimeCompare(hash[:], token.Hash[:]) != 1:
		return refuse(tokenWrong, "what is shown is not the secret of token %s", id)
	case expired(token):
		return refuse(tokenExpired, "token %s (%s) has expired", id, token.Name)
	}
	return &access{rules: token.Rules, bound: true, token: true, who: "with the token " + id, still: func() error { return s.tokenStill(id) }}, nil
}

// tokenStill reports why a token that was good is so no more.
func (s *Server) tokenStill(id string) error {
	switch token, ok := s.c.Registry.State().Token(id); {
	case !ok:
		return api.Errorf(api.KindForbidden, "token %s was deleted", id)
	case expired(token):
		return api.Errorf(api.KindForbidden, "token %s (%s) has expired", id, token.Name)
	}
	return nil
}

// expired goes by this node's clock: that is about access, and nothing that the protocol's safety rests on.
func expired(t state.Token) bool { return t.Expires != 0 && time.Now().Unix() >= t.Expires }

// refused counts a request whose token does not allow it.
func (s *Server) refused(a *access) {
	if a.token {
		s.tokensRefused.WithLabelValues(tokenRights).Inc()
	}
}

func (s *Server) listTokens(current *state.State, q *query, w http.ResponseWriter, _ *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	tokens := []api.Token{}
	for t := range current.Tokens() {
		tokens = append(tokens, t.API())
	}
	return answer(w, tokens)
}

// createToken makes a token and shows its secret, which nobody has seen before and nobody sees again: the cluster keeps a sum of it.
func (s *Server) createToken(w http.ResponseWriter, r *http.Request) error {
	var want api.TokenRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	if err := checkKey("token's name", want.Name); err != nil {
		return err
	}
	if err := want.Rules.Check(); err != nil {
		return err
	}
	id, secret, hash := api.NewTokenSecret()
	command := state.PutToken{Token: id, Name: want.Name, Hash: hash, Rules: want.Rules}
	if !want.Expires.IsZero() {
		if command.Expires = want.Expires.Unix(); !want.Expires.After(time.Now()) {
			return api.Errorf(api.KindInvalid, "expires %v is over", want.Expires.UTC().Format(time.RFC3339))
		}
	}
	if err := s.c.Registry.State().Admits(command); err != nil {
		return err
	}
	if _, err := s.c.Registry.Apply(r.Context(), command); err != nil {
		return err
	}
	current := s.c.Registry.State()
	token, ok := current.Token(id)
	if !ok {
		return api.Errorf(api.KindNotFound, "token %s was deleted at once", id)
	}
	s.c.Logger.Info("an operator has made a token", "token", id, "name", want.Name, "rules", want.Rules.String(), "asked_from", r.RemoteAddr)
	s.setHeaders(w, current)
	w.Header().Set("Cache-Control", "no-store")
	return answer(w, api.TokenCreated{Token: token.API(), Secret: secret})
}

func (s *Server) deleteToken(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := checkID("token ID", id); err != nil {
		return err
	}
	command := state.RemoveToken{Token: id}
	if err := s.c.Registry.State().Admits(command); err != nil {
		return err
	}
	if _, err := s.c.Registry.Apply(r.Context(), command); err != nil {
		return err
	}
	s.c.Logger.Info("an operator has deleted a token", "token", id, "asked_from", r.RemoteAddr)
	return s.done(w)
}
