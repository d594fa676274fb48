package server

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
)

// who may ask, by the letters of mayAsk.
var callers = map[byte]struct {
	caller  Caller
	session bool
}{
	'-': {},                                        // no certificate and no session
	's': {session: true},                           // a stage of another host, with its session's token
	'c': {caller: Caller{Role: identity.Client}},   // a program
	'o': {caller: Caller{Role: identity.Operator}}, // a person
	'n': {caller: Caller{Role: identity.Server}},   // a node
	'l': {caller: Caller{Trusted: true}},           // behind the node's own socket
	'x': {caller: Caller{Role: "king"}},            // a role that there is not
}

// mayAsk says it anew, route by route, rather than by rights: two lists that agree are less likely both wrong.
var mayAsk = map[string]string{
	"GET /{$}":            "-scxonl",
	"GET /ui/{file...}":   "-scxonl",
	"GET /livez":          "-scxonl",
	"GET /readyz":         "-scxonl",
	"GET /v1/authorities": "-scxonl",

	"GET /metrics":                    "sconl",
	"GET /v1/status":                  "sconl",
	"GET /v1/edges":                   "sconl",
	"GET /v1/edges/{name}":            "sconl",
	"GET /v1/edges/{name}/history":    "sconl",
	"GET /v1/reports":                 "sconl",
	"GET /v1/leases":                  "sconl",
	"GET /v1/leases/{id}":             "sconl",
	"GET /v1/sessions":                "sconl",
	"GET /v1/sessions/{id}":           "sconl",
	"GET /v1/nodes":                   "sconl",
	"GET /v1/nodes/{id}/drain":        "sconl",
	"GET /v1/checkpoints/{key...}":    "sconl",
	"GET /v1/blocks/{lease}":          "sconl",
	"GET /v1/watch":                   "sconl",
	"GET /v1/operator/health":         "sconl",
	"GET /v1/operator/raft":           "sconl",
	"POST /v1/changes":                "sonl",
	"POST /v1/spares":                 "sonl",
	"POST /v1/leases":                 "sonl",
	"DELETE /v1/leases/{id}":          "sonl",
	"POST /v1/leases/{id}/adopt":      "nl",
	"POST /v1/checkpoints/{key...}":   "sonl",
	"PUT /v1/blocks/{lease}":          "sonl",
	"POST /v1/blocks/{lease}/fence":   "sonl",
	"DELETE /v1/edges/{name}":         "onl",
	"POST /v1/edges/{name}/relocate":  "onl",
	"POST /v1/leases/{id}/revoke":     "onl",
	"DELETE /v1/nodes/{id}":           "onl",
	"POST /v1/nodes/{id}/drain":       "onl",
	"POST /v1/nodes/{id}/eligibility": "onl",
	"DELETE /v1/operator/raft/{id}":   "onl",
	"POST /v1/operator/raft/transfer": "onl",
	"GET /v1/operator/debug/{what}":   "onl",
	"GET /v1/operator/snapshot":       "onl",
	"PUT /v1/operator/snapshot":       "onl",
	"GET /v1/tokens":                  "onl",
	"POST /v1/tokens":                 "onl",
	"DELETE /v1/tokens/{id}":          "onl",
	"POST /v1/renew":                  "nl",
	"POST /v1/nodes":                  "nl",
	"POST /v1/internal/memory":        "nl",
	"POST /v1/internal/sessions":      "nl",
	"POST /v1/internal/found":         "nl",
}

func TestEveryRouteAgainstEveryCaller(t *testing.T) {
	require.Equal(t, slices.Sorted(maps.Keys(samples)), slices.Sorted(maps.Keys(mayAsk)), "a route of which nobody has said who may ask")
	for route, may := range mayAsk {
		for letter, who := range callers {
			f := newFixture(t)
			f.registry.watchErr = api.ErrUnavailable
			method, _, _ := strings.Cut(route, " ")
			r := httptest.NewRequest(method, samples[route].path, strings.NewReader(samples[route].body))
			r.Header.Set("Content-Type", "application/json")
			if who.session {
				r.Header.Set(api.HeaderSession, "s1")
				r.Header.Set(api.HeaderToken, "secret")
			}
			w := httptest.NewRecorder()
			as(who.caller, f.server.Handler()).ServeHTTP(w, r)
			refused := w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), string(api.KindForbidden))
			require.Equal(t, strings.IndexByte(may, letter) < 0, refused, "%c: %s: %d %s", letter, route, w.Code, w.Body)
		}
	}
}

// What a caller shows must be right: a session that there is not, or another's token, is worth no more than none.
func TestASessionMustBeProven(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ session, token string }{{"s1", "other"}, {"s2", "secret"}, {"s1", ""}, {"", "secret"}} {
		r := httptest.NewRequest("GET", "/v1/edges", nil)
		r.Header.Set(api.HeaderSession, c.session)
		r.Header.Set(api.HeaderToken, c.token)
		w := httptest.NewRecorder()
		as(Caller{}, f.server.Handler()).ServeHTTP(w, r)
		require.GreaterOrEqual(t, w.Code, http.StatusBadRequest, "%v: %s", c, w.Body)
	}
	w := httptest.NewRecorder()
	f.server.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/v1/edges", nil))
	require.Equal(t, http.StatusForbidden, w.Code, "whoever is not named is nobody")
}
