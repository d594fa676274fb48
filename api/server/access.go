package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/lease"
)

// Beside the rights of rules there are three that no rule can allow.
const (
	open    api.Right = "nothing" // whoever reaches the port
	appoint api.Right = "appoint" // make and delete tokens: a token that could would outlive its own deletion
	member  api.Right = "member"  // what nodes tell each other
)

// about says what a route is about, so that a caller whose rules have prefixes is held to them.
type about string

const (
	everything about = ""     // the cluster: for a rule with an empty prefix
	each       about = "each" // what only the handler knows, which asks for each of them; see access.may
	pathName   about = "name" // what the path names by the wildcard that is called so
	pathKey    about = "key"  // likewise
)

// need is what a route needs its caller to have.
type need struct {
	right api.Right
	about about
}

// Caller is who made a request.
type Caller struct {
	// Trusted callers may do everything: those behind the node's own socket who are of root or of the node's user, and all of a cluster without TLS.
	Trusted bool
	// Role is that of the certificate; "" for none.
	Role identity.Role
	// Plain callers have come without TLS: a browser cannot tell the node from a site that has taken its address.
	Plain bool
	// Rules are what somebody else behind the node's socket may do. Nil: nothing.
	Rules api.Rules
	// Stranger is why somebody behind the node's socket may do nothing; nil: he is none.
	Stranger error
}

// needs says of every route what it needs. A route that is not here does not exist: see guard.
var needs = map[string]need{
	"GET /{$}":            {right: open},
	"GET /ui/{file...}":   {right: open},
	"/":                   {right: open}, // to be told that there is nothing
	"GET /livez":          {right: open},
	"GET /readyz":         {right: open},
	"GET /v1/authorities": {right: open},

	"GET /metrics":                 {api.RightRead, everything},
	"GET /v1/status":               {api.RightRead, everything},
	"GET /v1/operator/health":      {api.RightRead, everything},
	"GET /v1/operator/raft":        {api.RightRead, everything},
	"GET /v1/edges":                {api.RightRead, each},
	"GET /v1/edges/{name}":         {api.RightRead, pathName},
	"GET /v1/edges/{name}/history": {api.RightRead, pathName},
	"GET /v1/reports":              {api.RightRead, each},
	"GET /v1/leases":               {api.RightRead, each},
	"GET /v1/leases/{id}":          {api.RightRead, each},
	"GET /v1/sessions":             {api.RightRead, everything},
	"GET /v1/sessions/{id}":        {api.RightRead, everything},
	"GET /v1/nodes":                {api.RightRead, everything},
	"GET /v1/nodes/{id}/drain":     {api.RightRead, everything},
	"GET /v1/checkpoints/{key...}": {api.RightRead, pathKey},
	"GET /v1/blocks/{lease}":       {api.RightRead, each},
	watchRoute:                     {api.RightWatch, each},

	// For a session, too, that says its token.
	"POST /v1/changes":              {api.RightCAS, each},
	"POST /v1/spares":               {api.RightCAS, each},
	"POST /v1/checkpoints/{key...}": {api.RightCAS, pathKey},
	"POST /v1/leases":               {api.RightLease, each},
	"DELETE /v1/leases/{id}":        {api.RightLease, each},
	"PUT /v1/blocks/{lease}":        {api.RightLease, each},
	"POST /v1/blocks/{lease}/fence": {api.RightLease, each},

	"DELETE /v1/edges/{name}":         {api.RightOperate, pathName},
	"POST /v1/edges/{name}/relocate":  {api.RightOperate, pathName},
	"POST /v1/leases/{id}/revoke":     {api.RightOperate, each},
	"DELETE /v1/nodes/{id}":           {api.RightOperate, everything},
	"POST /v1/nodes/{id}/drain":       {api.RightOperate, everything},
	"POST /v1/nodes/{id}/eligibility": {api.RightOperate, everything},
	"DELETE /v1/operator/raft/{id}":   {api.RightOperate, everything},
	"POST /v1/operator/raft/transfer": {api.RightOperate, everything},
	"GET /v1/operator/debug/{what}":   {api.RightOperate, everything},
	"GET /v1/operator/snapshot":       {api.RightOperate, everything},
	"PUT /v1/operator/snapshot":       {api.RightOperate, everything},

	"GET /v1/tokens":         {appoint, everything},
	"POST /v1/tokens":        {appoint, everything},
	"DELETE /v1/tokens/{id}": {appoint, everything},

	"POST /v1/nodes":             {member, everything},
	"POST /v1/renew":             {member, everything},
	"POST /v1/leases/{id}/adopt": {member, everything}, // it says of memory that it is still there, which only its node knows
	"POST /v1/internal/memory":   {member, everything},
	"POST /v1/internal/sessions": {member, everything},
	"POST /v1/internal/found":    {member, everything},
}

type callerKey struct{}

// WithCaller returns the context of a connection's requests. A request in a context without one is from nobody.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// everywhere are rules that allow rights to everything.
func everywhere(rights ...api.Right) api.Rules { return api.Rules{{Rights: rights}} }

var allRules = everywhere(append(slices.Clone(api.Rights), appoint, member)...)

// roleRules are what a certificate allows. No certificate allows nothing: a stage has none, and shows its session.
var roleRules = map[identity.Role]api.Rules{
	identity.Server:   allRules,
	identity.Operator: everywhere(append(slices.Clone(api.Rights), appoint)...),
	identity.Client:   everywhere(api.RightRead, api.RightWatch),
}

// sessionRules are what a live session without rules of its own allows its stage, whichever node that reaches.
var sessionRules = everywhere(api.RightRead, api.RightWatch, api.RightCAS, api.RightLease)

// access is what a request may do.
type access struct {
	right api.Right // that its route needs
	rules api.Rules
	also  api.Rules    // of the session in whose name it asks, which bind it as well; none: nothing more
	bound bool         // the rules have prefixes that the leader would not know of
	token bool         // a token's
	who   string       // for refusals
	still func() error // why it may not go on; nil: nothing can come in between
}

type accessKey struct{}

// accessOf returns what a guarded request may do.
func accessOf(r *http.Request) *access {
	if a, ok := r.Context().Value(accessKey{}).(*access); ok {
		return a
	}
	return &access{}
}

// allows reports whether the request may do what it asks for to what is called name; "" is what has no name.
func (a *access) allows(name string) bool {
	return a.rules.Allow(a.right, name) && (len(a.also) == 0 || a.also.Allow(a.right, name))
}

// may is allows with the refusal.
func (a *access) may(name string) error {
	switch {
	case a.allows(name):
		return nil
	case name == "":
		return api.Errorf(api.KindForbidden, "this needs the right %q to everything, by a rule with an empty prefix, which a caller %s does not have", a.right, a.who)
	default:
		return api.Errorf(api.KindForbidden, "this needs the right %q to %q, which a caller %s does not have", a.right, name, a.who)
	}
}

// guard lets h see only requests that their callers have the right to make. It panics over a route of which nobody has said what it needs.
func (s *Server) guard(route string, h handler) handler {
	need, ok := needs[route]
	if !ok {
		panic("api/server: nobody has said what right is needed for " + route)
	}
	if need.right == open { // and says nothing that a site could want
		return h
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		a, err := s.admit(r, need)
		if err != nil {
			return err
		}
		return h(w, r.WithContext(context.WithValue(r.Context(), accessKey{}, a)))
	}
}

// admit lets a request pass that its caller has the right to make, as far as the path says what it is about. A node passes on only what it has
// admitted: its own certificate says so to the leader.
func (s *Server) admit(r *http.Request, n need) (*access, error) {
	caller, _ := r.Context().Value(callerKey{}).(Caller)
	if err := s.fromElsewhere(r, caller, n.right); err != nil {
		return nil, err
	}
	a := s.standing(r, caller)
	if len(r.Header[api.HeaderAuthorization]) > 0 { // whatever else the caller shows
		token, err := s.tokenAccess(r)
		if err != nil {
			return nil, err
		}
		a = token
	} else if !a.rules.AllowSome(n.right) && sessionRules.AllowSome(n.right) && r.Header.Get(api.HeaderSession) != "" && r.Header.Get(headerLimit) == "" {
		session, err := s.authorise(r)
		if err != nil {
			return nil, err
		}
		a = &access{rules: sessionRules, who: "that shows session " + string(session.ID), still: func() error { return s.sessionStill(session.ID) }}
		if len(session.Rules) > 0 {
			a.rules, a.bound = session.Rules, true
		}
	}
	a.right = n.right
	if !a.rules.AllowSome(n.right) {
		s.refused(a)
		return nil, api.Errorf(api.KindForbidden, "%s %s needs the right %q, which a caller %s does not have", r.Method, r.URL.Path, n.right, a.who)
	}
	var err error
	switch n.about {
	case each:
	case everything:
		err = a.may("")
	default:
		err = a.may(r.PathValue(string(n.about)))
	}
	if err != nil {
		s.refused(a)
	}
	return a, err
}

// sessionStill reports why a session that was good is so no more.
func (s *Server) sessionStill(id lease.SessionID) error {
	if _, ok := s.c.Registry.State().Session(id); !ok {
		return api.Errorf(api.KindSession, "session %s has ended", id)
	}
	return nil
}

// standing is what a caller may do by its connection.
func (s *Server) standing(r *http.Request, caller Caller) *access {
	a := &access{rules: roleRules[caller.Role], who: "without a certificate"}
	switch {
	case caller.Trusted:
		a.rules = allRules
	case caller.Role != "":
		a.who = "with a certificate of the role " + string(caller.Role)
	case caller.Stranger != nil:
		a.who = "behind the node's socket (" + api.ErrorOf(caller.Stranger).Message + ")"
	case caller.Rules != nil:
		a.who, a.bound = "of this host", true
		if a.rules = caller.Rules; s.c.Registry.State().Level() < rulesLevel {
			a.rules, a.who = nil, "of this host, until all nodes run a version that knows rules,"
		}
	}
	if limit := r.Header.Get(headerLimit); limit != "" && (caller.Trusted || caller.Role == identity.Server) {
		a.rules, a.bound, a.who = nil, true, "for whom another node has passed this on"
		_ = json.Unmarshal([]byte(limit), &a.rules) // what cannot be read allows nothing
	}
	return a
}

// rulesLevel is the level of the state from which on every node knows rules. One that does not would take a request that is passed on with
// them for the passing node's own.
const rulesLevel = 5

// limit returns what a request that is passed on is bound by beside what the leader sees for itself; empty: nothing.
func (a *access) limit() string {
	if !a.bound {
		return ""
	}
	b, err := json.Marshal(a.rules)
	if err != nil { // cannot be: texts
		return "[]"
	}
	return string(b)
}
