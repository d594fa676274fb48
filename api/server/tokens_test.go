package server

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// tokenMay says it anew, route by route: which single right a token needs (none: no token may), and what a prefix makes of it.
var tokenMay = map[string]struct {
	right  api.Right
	prefix byte
}{
	"GET /metrics":                    {"read", '*'}, // all or nothing
	"GET /v1/status":                  {"read", '*'},
	"GET /v1/sessions":                {"read", '*'},
	"GET /v1/sessions/{id}":           {"read", '*'},
	"GET /v1/nodes":                   {"read", '*'},
	"GET /v1/nodes/{id}/drain":        {"read", '*'},
	"GET /v1/operator/health":         {"read", '*'},
	"GET /v1/operator/raft":           {"read", '*'},
	"GET /v1/edges":                   {"read", '~'}, // whatever there is with it
	"GET /v1/reports":                 {"read", '~'},
	"GET /v1/leases":                  {"read", '~'},
	"GET /v1/watch":                   {"watch", '~'},
	"GET /v1/edges/{name}":            {"read", '.'}, // what it is about begins with it
	"GET /v1/edges/{name}/history":    {"read", '.'},
	"GET /v1/leases/{id}":             {"read", '.'},
	"GET /v1/checkpoints/{key...}":    {"read", '.'},
	"GET /v1/blocks/{lease}":          {"read", '.'},
	"POST /v1/changes":                {"cas", '.'},
	"POST /v1/spares":                 {"cas", '.'},
	"POST /v1/checkpoints/{key...}":   {"cas", '.'},
	"POST /v1/leases":                 {"lease", '.'},
	"DELETE /v1/leases/{id}":          {"lease", '.'},
	"PUT /v1/blocks/{lease}":          {"lease", '.'},
	"POST /v1/blocks/{lease}/fence":   {"lease", '.'},
	"DELETE /v1/edges/{name}":         {"operate", '.'},
	"POST /v1/edges/{name}/relocate":  {"operate", '.'},
	"POST /v1/leases/{id}/revoke":     {"operate", '.'},
	"DELETE /v1/nodes/{id}":           {"operate", '*'},
	"POST /v1/nodes/{id}/drain":       {"operate", '*'},
	"POST /v1/nodes/{id}/eligibility": {"operate", '*'},
	"DELETE /v1/operator/raft/{id}":   {"operate", '*'},
	"POST /v1/operator/raft/transfer": {"operate", '*'},
	"GET /v1/operator/debug/{what}":   {"operate", '*'},
	"GET /v1/operator/snapshot":       {"operate", '*'},
	"PUT /v1/operator/snapshot":       {"operate", '*'},
	"GET /v1/tokens":                  {},
	"POST /v1/tokens":                 {},
	"DELETE /v1/tokens/{id}":          {},
	"POST /v1/renew":                  {},
	"POST /v1/leases/{id}/adopt":      {},
	"POST /v1/nodes":                  {},
	"POST /v1/internal/memory":        {},
	"POST /v1/internal/sessions":      {},
	"POST /v1/internal/found":         {},
}

// opened are the routes that are for anybody.
var opened = []string{"GET /{$}", "GET /ui/{file...}", "GET /livez", "GET /readyz", "GET /v1/authorities"}

// tokenFixture is newFixture at a level that knows tokens, with an edge, a ring's lease and a block region whose names begin with "p.".
type tokenFixture struct {
	*fixture
	ring, region lease.ID
}

func newTokenFixture(t *testing.T) *tokenFixture {
	f := newFixture(t)
	apply(t, f.registry, state.Upgrade{Level: state.Level})
	status, _, body := f.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusOK, status, body)
	record, _ := f.registry.State().Edge("p.parse")
	region := lease.NewID()
	apply(t, f.registry, state.GrantLease{Lease: region, Kind: lease.KindBlock, Node: "n1", Session: "s1", Name: "p.region", Bytes: 4096, TTL: lease.TTLDefault})
	return &tokenFixture{fixture: f, ring: record.Lease, region: region}
}

// token makes a token and returns its secret.
func (f *tokenFixture) token(t *testing.T, expires time.Time, rules ...api.Rule) (id, secret string) {
	id, secret, hash := api.NewTokenSecret()
	c := state.PutToken{Token: id, Name: "test", Hash: hash, Rules: rules}
	if !expires.IsZero() {
		c.Expires = expires.Unix()
	}
	apply(t, f.registry, c)
	return id, secret
}

// queries are those that a request is refused without.
var queries = map[string]string{"GET /v1/blocks/{lease}": "?bytes=4", "PUT /v1/blocks/{lease}": "?bytes=5&epoch=1&number=1", "POST /v1/blocks/{lease}/fence": "?epoch=1",
	"DELETE /v1/edges/{name}": "?expect=1"}

// send makes the sample request of a route, about things that begin with "p.", as somebody who shows session s1 and a token.
func (f *tokenFixture) send(route string, caller Caller, secret string) (refused bool, answer *httptest.ResponseRecorder) {
	return f.show(route, caller, map[string]string{api.HeaderSession: "s1", api.HeaderToken: "secret", api.HeaderAuthorization: api.TokenScheme + " " + secret})
}

// show is send with other headers.
func (f *tokenFixture) show(route string, caller Caller, headers map[string]string) (refused bool, answer *httptest.ResponseRecorder) {
	method, pattern, _ := strings.Cut(route, " ")
	value := "p.parse"
	switch {
	case strings.Contains(pattern, "/leases/"):
		value = string(f.ring)
	case strings.Contains(pattern, "/blocks/"):
		value = string(f.region)
	}
	path := strings.ReplaceAll(samples[route].path, "V", value)
	body := strings.ReplaceAll(samples[route].body, `"name":"r"`, `"name":"p.other"`)
	r := httptest.NewRequest(method, path+queries[route], strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	as(caller, f.server.Handler()).ServeHTTP(w, r)
	return w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), string(api.KindForbidden)), w
}

func TestEveryRouteAgainstEveryToken(t *testing.T) {
	require.Equal(t, slices.Sorted(maps.Keys(samples)), slices.Sorted(slices.Values(append(slices.Collect(maps.Keys(tokenMay)), opened...))),
		"a route of which nobody has said which tokens may")
	callers := []Caller{{}, {Role: identity.Client}, {Role: identity.Operator}, {Role: identity.Server}, {Trusted: true}}
	for route, may := range tokenMay {
		for i, right := range api.Rights {
			for _, prefix := range []string{"", "p.", "q."} {
				f := newTokenFixture(t)
				f.registry.watchErr = api.ErrUnavailable
				_, secret := f.token(t, time.Time{}, api.Rule{Prefix: prefix, Rights: []api.Right{right}})
				caller := callers[(i+len(prefix)+len(route))%len(callers)] // whoever it is
				refused, w := f.send(route, caller, secret)
				want := right == may.right && (prefix == "" || may.prefix == '~' || may.prefix == '.' && prefix == "p.")
				require.Equal(t, want, !refused, "%s with %s to %q, %+v: %d %s", route, right, prefix, caller, w.Code, w.Body)
				require.NotContains(t, w.Body.String(), secret[22:])
			}
		}
	}
	for _, route := range opened {
		refused, w := newTokenFixture(t).send(route, Caller{}, "nonsense")
		require.False(t, refused, "%s: %s", route, w.Body)
	}
}

// Rules are the same whoever has them: a user of this host, somebody for whom another node asks, a session.
func TestEveryRouteAgainstRules(t *testing.T) {
	session := func(id string) map[string]string {
		return map[string]string{api.HeaderSession: id, api.HeaderToken: "secret"}
	}
	for route, may := range tokenMay {
		for _, right := range api.Rights {
			for _, prefix := range []string{"", "p.", "q."} {
				f := newTokenFixture(t)
				f.registry.watchErr = api.ErrUnavailable
				rules := api.Rules{{Prefix: prefix, Rights: []api.Right{right}}}
				want := right == may.right && (prefix == "" || may.prefix == '~' || may.prefix == '.' && prefix == "p.")
				passed := session("s1")
				limit := access{rules: rules, bound: true}
				passed[headerLimit] = limit.limit()
				refused, w := f.show(route, Caller{Role: identity.Server}, passed)
				require.Equal(t, want, !refused, "passed on: %s with %s: %d %s", route, rules, w.Code, w.Body)
				refused, w = f.show(route, Caller{Rules: rules}, nil)
				if w.Code != http.StatusBadRequest { // else it is refused without a session
					require.Equal(t, want, !refused, "local: %s with %s: %d %s", route, rules, w.Code, w.Body)
				}
				apply(t, f.registry, state.OpenSession{Session: "limited", Stage: "parse", Node: "n1", Incarnation: 1, TTL: lease.TTLDefault,
					Token: sha256.Sum256([]byte("secret")), Rules: rules})
				refused, w = f.show(route, Caller{}, session("limited"))
				if w.Code != http.StatusBadRequest { // else the sample's body is of session s1
					require.Equal(t, want && right != api.RightOperate, !refused, "session: %s with %s: %d %s", route, rules, w.Code, w.Body)
				}
				refused, w = f.show(route, Caller{Role: identity.Client}, map[string]string{headerLimit: `[{"prefix":"","rights":["operate","member","appoint","cas","lease"]}]`})
				require.Equal(t, may.right != api.RightRead && may.right != api.RightWatch, refused, "a limit gives nothing: %s: %d %s", route, w.Code, w.Body)
			}
		}
		refused, w := newTokenFixture(t).show(route, Caller{Role: identity.Server}, map[string]string{headerLimit: "["})
		require.True(t, refused, "%s: %d %s", route, w.Code, w.Body)
	}
}

// A node that passes a request on says by what it is bound, and takes nobody's word for it.
func TestLimitsArePassedOn(t *testing.T) {
	var got http.Header
	leader := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer leader.Close()
	f := newTokenFixture(t)
	f.registry.leads, f.registry.leader.ID, f.registry.leader.Address = false, "n2", strings.TrimPrefix(leader.URL, "http://")
	rules := api.Rules{{Prefix: "é.", Rights: []api.Right{api.RightRead}}}
	ask := func(c Caller, headers map[string]string) http.Header {
		refused, w := f.show("GET /v1/edges", c, headers)
		require.False(t, refused, w.Body)
		return got
	}
	var passed api.Rules
	require.NoError(t, json.Unmarshal([]byte(ask(Caller{Rules: rules}, map[string]string{headerLimit: "[]"}).Get(headerLimit)), &passed))
	require.Equal(t, rules, passed)
	require.Empty(t, ask(Caller{Role: identity.Operator}, map[string]string{headerLimit: "[]"}).Values(headerLimit))
	_, secret := f.token(t, time.Time{}, rules[0])
	shown := map[string]string{api.HeaderAuthorization: api.TokenScheme + " " + secret}
	require.Equal(t, api.TokenScheme+" "+secret, ask(Caller{Rules: rules}, shown).Get(api.HeaderAuthorization), "the leader judges the token again")
}

// A token that is no good is worse than none: whatever is beside it does not count.
func TestTokensThatAreNoGood(t *testing.T) {
	for _, caller := range []Caller{{}, {Role: identity.Client}, {Role: identity.Operator}, {Role: identity.Server}, {Trusted: true}} {
		f := newTokenFixture(t)
		everything := api.Rule{Rights: api.Rights}
		_, good := f.token(t, time.Now().Add(time.Hour), everything)
		_, other := f.token(t, time.Time{}, everything)
		_, over := f.token(t, time.Now().Add(-time.Second), everything)
		removed, gone := f.token(t, time.Time{}, everything)
		apply(t, f.registry, state.RemoveToken{Token: removed})
		_, never, _ := api.NewTokenSecret()
		for secret, why := range map[string]string{
			over: "expired", gone: "unknown", never: "unknown", good[:22] + other[22:]: "wrong", good[:len(good)-1] + flip(good): "wrong",
			"": "malformed", "x": "malformed", good[1:]: "malformed", good + "A": "malformed", good + " " + good: "malformed", strings.ToUpper(good): "malformed",
		} {
			before := f.counted(t, why)
			for route := range tokenMay {
				refused, w := f.send(route, caller, secret)
				require.True(t, refused, "%s with a token that is %s: %d %s", route, why, w.Code, w.Body)
				if len(secret) > 22 {
					require.NotContains(t, w.Body.String(), secret[22:], "an answer is no echo")
				}
			}
			require.Equal(t, before+len(tokenMay), f.counted(t, why))
		}
		refused, w := f.send("GET /v1/edges", caller, good)
		require.False(t, refused, w.Body)
		r := httptest.NewRequest("GET", "/v1/edges", nil)
		r.Header[api.HeaderAuthorization] = []string{api.TokenScheme + " " + good, api.TokenScheme + " " + good}
		two := httptest.NewRecorder()
		as(caller, f.server.Handler()).ServeHTTP(two, r)
		require.Equal(t, http.StatusForbidden, two.Code)
	}
}

// counted returns how many tokens were refused for a reason.
func (f *tokenFixture) counted(t *testing.T, reason string) (n int) {
	shown := f.list("GET /metrics", Caller{Trusted: true}, "")
	_, after, ok := strings.Cut(shown, fmt.Sprintf("grafnode_token_refused_total{reason=%q} ", reason))
	require.True(t, ok, shown)
	_, err := fmt.Sscan(after, &n)
	require.NoError(t, err)
	return n
}

// flip returns another last character.
func flip(secret string) string {
	if secret[len(secret)-1] == 'A' {
		return "B"
	}
	return "A"
}

// Whatever a caller's Connection header names, what it was judged by reaches the leader, which judges it again.
func TestHeadersOfRightsArePassedOn(t *testing.T) {
	var got http.Header
	leader := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer leader.Close()
	f := newTokenFixture(t)
	f.follow(leader.URL)
	_, secret := f.token(t, time.Time{}, api.Rule{Prefix: "q.", Rights: []api.Right{api.RightOperate}})
	names := []string{api.HeaderAuthorization, api.HeaderSession, api.HeaderToken, headerLimit, headerForwarded}
	refused, w := f.show("POST /v1/leases/{id}/revoke", Caller{}, map[string]string{
		api.HeaderAuthorization: api.TokenScheme + " " + secret, api.HeaderSession: "s1", api.HeaderToken: "secret",
		"Connection": strings.Join(names, ", "),
	})
	require.False(t, refused, "%d %s", w.Code, w.Body)
	for _, name := range names {
		require.NotEmpty(t, got[name], name)
	}
}

func TestTokensAreMadeListedAndDeleted(t *testing.T) {
	f := newTokenFixture(t)
	status, header, body := f.ask(t, "POST", "/v1/tokens", samples["POST /v1/tokens"].body)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "no-store", header.Get("Cache-Control"))
	var made api.TokenCreated
	require.NoError(t, json.Unmarshal([]byte(body), &made))
	require.Equal(t, api.Rules{{Prefix: "p.", Rights: []api.Right{api.RightRead}}}, made.Rules)
	require.Contains(t, f.list("GET /v1/edges", Caller{}, made.Secret), "p.parse")

	require.Equal(t, []api.Token{made.Token}, get[[]api.Token](t, f.fixture, "/v1/tokens"))
	_, hash, ok := api.ParseTokenSecret(made.Secret)
	require.True(t, ok)
	for _, path := range []string{"/v1/tokens", "/metrics", "/v1/status", "/v1/operator/raft", "/v1/sessions", "/v1/operator/debug/goroutines"} {
		_, _, shown := f.ask(t, "GET", path, "")
		require.NotContains(t, shown, made.Secret[22:], path)
		require.NotContains(t, shown, string(hash[:]), path)
	}
	status, _, body = f.ask(t, "DELETE", "/v1/tokens/"+made.ID, "")
	require.Equal(t, http.StatusNoContent, status, body)
	status, _, _ = f.ask(t, "DELETE", "/v1/tokens/"+made.ID, "")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, f.list("GET /v1/edges", Caller{}, made.Secret), "no token "+made.ID)

	for _, bad := range []string{
		`{"name":"","rules":[{"prefix":"","rights":["read"]}]}`, `{"name":"x","rules":[]}`, `{"name":"x"}`, `{"name":"x","rules":[{"prefix":"","rights":["member"]}]}`,
		`{"name":"x","rules":[{"prefix":"","rights":["appoint"]}]}`, `{"name":"x","rules":[{"prefix":"","rights":["read"]}],"expires":"2001-01-01T00:00:00Z"}`,
		`{"name":"x","rules":[{"prefix":"\u0001","rights":["read"]}]}`,
	} {
		status, _, body := f.ask(t, "POST", "/v1/tokens", bad)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", bad, body)
	}
}

// Before all voters know tokens none can be made, and those whom rules would bind have no rights.
func TestBelowTheLevelOfTokens(t *testing.T) {
	f := newFixture(t)
	status, _, body := f.ask(t, "POST", "/v1/tokens", samples["POST /v1/tokens"].body)
	require.Equal(t, http.StatusServiceUnavailable, status, body)
	r := httptest.NewRequest("GET", "/v1/edges", nil)
	w := httptest.NewRecorder()
	as(Caller{Rules: api.Rules{{Rights: api.Rights}}}, f.server.Handler()).ServeHTTP(w, r)
	require.Equal(t, http.StatusForbidden, w.Code)
}
