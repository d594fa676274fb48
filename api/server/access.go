package server

import (
	"context"
	"net/http"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
)

// right is what a route needs its caller to have.
type right string

// The rights.
const (
	open    right = "nothing" // whoever reaches the port
	read    right = "read"    // records, leases, sessions, nodes, checkpoints, blocks
	watch   right = "watch"   // all changes of those
	change  right = "change"  // records and checkpoints, for a session that says its token besides
	hold    right = "hold"    // leases and blocks, likewise
	operate right = "operate" // the cluster: moves, removals, snapshots
	member  right = "member"  // what nodes tell each other
)

// Caller is who made a request.
type Caller struct {
	// Trusted callers may do everything: those behind the node's own socket, whom it has let in by their user, and all of a cluster without TLS.
	Trusted bool
	// Role is that of the certificate; "" for none.
	Role identity.Role
	// Plain callers have come without TLS: a browser cannot tell the node from a site that has taken its address.
	Plain bool
}

// needs says of every route what right it needs. A route that is not here does not exist: see guard.
var needs = map[string]right{
	"GET /{$}":            open,
	"GET /ui/{file...}":   open,
	"/":                   open, // to be told that there is nothing
	"GET /livez":          open,
	"GET /readyz":         open,
	"GET /v1/authorities": open,

	"GET /metrics":                 read,
	"GET /v1/status":               read,
	"GET /v1/operator/health":      read,
	"GET /v1/operator/raft":        read,
	"GET /v1/edges":                read,
	"GET /v1/edges/{name}":         read,
	"GET /v1/edges/{name}/history": read,
	"GET /v1/reports":              read,
	"GET /v1/leases":               read,
	"GET /v1/leases/{id}":          read,
	"GET /v1/sessions":             read,
	"GET /v1/sessions/{id}":        read,
	"GET /v1/nodes":                read,
	"GET /v1/nodes/{id}/drain":     read,
	"GET /v1/checkpoints/{key...}": read,
	"GET /v1/blocks/{lease}":       read,
	watchRoute:                     watch,

	"POST /v1/changes":              change,
	"POST /v1/spares":               change,
	"POST /v1/checkpoints/{key...}": change,
	"POST /v1/leases":               hold,
	"DELETE /v1/leases/{id}":        hold,
	"POST /v1/leases/{id}/adopt":    hold,
	"PUT /v1/blocks/{lease}":        hold,
	"POST /v1/blocks/{lease}/fence": hold,

	"DELETE /v1/edges/{name}":         operate,
	"POST /v1/edges/{name}/relocate":  operate,
	"POST /v1/leases/{id}/revoke":     operate,
	"DELETE /v1/nodes/{id}":           operate,
	"POST /v1/nodes/{id}/drain":       operate,
	"DELETE /v1/operator/raft/{id}":   operate,
	"POST /v1/operator/raft/transfer": operate,
	"GET /v1/operator/debug/{what}":   operate,
	"GET /v1/operator/snapshot":       operate,
	"PUT /v1/operator/snapshot":       operate,

	"POST /v1/nodes":             member,
	"POST /v1/renew":             member,
	"POST /v1/internal/sessions": member,
	"POST /v1/internal/found":    member,
}

type callerKey struct{}

// WithCaller returns the context of a connection's requests. A request in a context without one is from nobody.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// roleRights are what a certificate allows. No certificate allows nothing: a stage has none, and shows its session.
var roleRights = map[identity.Role][]right{
	identity.Server:   {read, watch, change, hold, operate, member},
	identity.Operator: {read, watch, change, hold, operate},
	identity.Client:   {read, watch},
}

// sessionRights are what a live session allows its stage, whichever node that reaches.
var sessionRights = []right{read, watch, change, hold}

// guard lets h see only requests that their callers have the right to make. It panics over a route of which nobody has said what it needs.
func (s *Server) guard(route string, h handler) handler {
	right, ok := needs[route]
	if !ok {
		panic("api/server: nobody has said what right is needed for " + route)
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := s.admit(r, right); err != nil {
			return err
		}
		return h(w, r)
	}
}

// admit lets a request pass that its caller has the right to make. A node passes on only what it has admitted, and its own
// certificate says so to the leader.
func (s *Server) admit(r *http.Request, needs right) error {
	if needs == open { // and says nothing that a site could want
		return nil
	}
	caller, _ := r.Context().Value(callerKey{}).(Caller)
	if err := s.fromElsewhere(r, caller); err != nil {
		return err
	}
	if caller.Trusted || slices.Contains(roleRights[caller.Role], needs) {
		return nil
	}
	if slices.Contains(sessionRights, needs) && r.Header.Get(api.HeaderSession) != "" {
		_, err := s.authorise(r)
		return err
	}
	who := "without a certificate"
	if caller.Role != "" {
		who = "with a certificate of the role " + string(caller.Role)
	}
	return api.Errorf(api.KindForbidden, "%s %s needs the right %q, which a caller %s does not have", r.Method, r.URL.Path, needs, who)
}
