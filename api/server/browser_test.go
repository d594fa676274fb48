package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/ui"
)

// fromBrowser asks a node as a browser does that has been told so by some page.
func fromBrowser(f *fixture, c Caller, route, host string, headers map[string]string) *httptest.ResponseRecorder {
	method, _, _ := strings.Cut(route, " ")
	s := samples[route]
	r := httptest.NewRequest(method, strings.ReplaceAll(s.path, "V", "p.parse"), strings.NewReader(s.body))
	r.Host = host
	r.Header.Set("Content-Type", "application/json")
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	as(c, f.server.Handler()).ServeHTTP(w, r)
	return w
}

func refused(w *httptest.ResponseRecorder) bool {
	return w.Code == http.StatusForbidden && strings.Contains(w.Body.String(), string(api.KindForbidden))
}

// Every route, whoever the browser's user is: another site gets nothing done and nothing told but what is open to all.
func TestAnotherSiteAsksInVain(t *testing.T) {
	sites := map[string]map[string]string{
		"another site":                  {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "https://evil.example"},
		"another port of this host":     {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Origin": "http://127.0.0.1:8080"},
		"a form":                        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
		"a picture":                     {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
		"a sandbox":                     {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Origin": "null"},
		"a browser that says only this": {"Origin": "http://evil.example"}, // on writes, which are what it says it on
	}
	users := map[string]Caller{
		"operator": {Role: identity.Operator}, "node": {Role: identity.Server}, "anybody on loopback": {Trusted: true, Plain: true},
	}
	for route := range samples {
		reads := strings.HasPrefix(route, "GET ")
		for site, headers := range sites {
			for user, caller := range users {
				if _, says := headers["Sec-Fetch-Site"]; reads && !says {
					continue
				}
				f := newFixture(t)
				f.registry.watchErr = api.ErrUnavailable
				before := f.registry.State()
				w := fromBrowser(f, caller, route, "127.0.0.1:7400", headers)
				require.Equal(t, needs[route].right != open, refused(w), "%s as %s: %s: %d %s", site, user, route, w.Code, w.Body)
				require.Same(t, before, f.registry.State(), "%s as %s: %s", site, user, route)
			}
		}
	}
}

func TestThePageAndProgramsAreNoOtherSite(t *testing.T) {
	for name, headers := range map[string]map[string]string{
		"the page":                      {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Origin": "http://127.0.0.1:7400"},
		"the page, without Fetch words": {"Origin": "http://127.0.0.1:7400"},
		"a typed address":               {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
		"a program":                     {},
	} {
		for route := range samples {
			f := newFixture(t)
			f.registry.watchErr = api.ErrUnavailable
			w := fromBrowser(f, Caller{Trusted: true, Plain: true}, route, "127.0.0.1:7400", headers)
			require.False(t, refused(w), "%s: %s: %d %s", name, route, w.Code, w.Body)
		}
	}
	link := map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	require.False(t, refused(fromBrowser(newFixture(t), Caller{Trusted: true}, "GET /v1/edges", "n1", link)), "a link may lead here")
	require.True(t, refused(fromBrowser(newFixture(t), Caller{Trusted: true}, "POST /v1/edges/{name}/relocate", "n1", link)), "a form may not")
	require.True(t, refused(fromBrowser(newFixture(t), Caller{Role: identity.Operator}, "GET /v1/operator/snapshot", "n1", link)), "what operators fetch it may not")
}

// A site that has its own name resolved to the node's address is, to the browser, the node: Sec-Fetch-Site says same-origin.
func TestANodeWithoutTLSAnswersToItsOwnNamesOnly(t *testing.T) {
	same := map[string]string{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
	plain := Caller{Trusted: true, Plain: true}
	for host, theirs := range map[string]bool{
		"127.0.0.1:7400": false, "127.0.0.1": false, "[::1]:7400": false, "[fe80::1]": false, "localhost:7400": false, "LOCALHOST": false,
		"a.localhost:7400": false, "node-1:7400": false, "": false, "n1.cluster.example:7400": false, "N1.Cluster.Example.": false,

		"evil.example:7400": true, "evil.example": true, "evil.example.:7400": true, "127.0.0.1.evil.example:7400": true,
		"localhost.evil.example": true, "n1.cluster.example.evil.example": true, "127.0.0.1.": false, "xlocalhost.x:1": true,
	} {
		for _, headers := range []map[string]string{same, {}} {
			f := newFixture(t)
			f.server.c.Hosts = []string{"n1.cluster.example"}
			for _, route := range []string{"GET /v1/edges", "GET /v1/watch", "POST /v1/nodes/{id}/drain", "GET /metrics"} {
				f.registry.watchErr = api.ErrUnavailable
				w := fromBrowser(f, plain, route, host, headers)
				require.Equal(t, theirs, refused(w), "%q: %s: %d %s", host, route, w.Code, w.Body)
			}
			require.False(t, refused(fromBrowser(f, plain, "GET /livez", host, headers)), "a balancer may call it what it likes")
			require.False(t, refused(fromBrowser(f, Caller{Role: identity.Operator}, "GET /v1/edges", host, headers)), "TLS knows names better")
		}
	}
}

// The node that is asked judges what the browser says. To the leader the page of another node would be another site.
func TestSiteHeadersAreNotPassedOn(t *testing.T) {
	var got http.Header
	leader := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer leader.Close()
	f := newFixture(t)
	f.registry.leads, f.registry.leader.ID, f.registry.leader.Address = false, "n2", strings.TrimPrefix(leader.URL, "http://")
	w := fromBrowser(f, Caller{Trusted: true, Plain: true}, "POST /v1/edges/{name}/relocate", "n1:7400",
		map[string]string{"Origin": "http://n1:7400", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"})
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.NotEmpty(t, got)
	for _, h := range siteHeaders {
		require.Empty(t, got.Values(h), h)
	}
}

func TestThePageIsServedWithItsPolicy(t *testing.T) {
	f := newFixture(t)
	ask := func(path, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		as(Caller{}, f.server.Handler()).ServeHTTP(w, r)
		return w
	}
	w := ask("/", "")
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "/ui/", w.Header().Get("Location"))
	w = ask("/ui/", "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
	require.Equal(t, ui.Policy, w.Header().Get("Content-Security-Policy"))
	require.Equal(t, "DENY", w.Header().Get("X-Frame-Options"))
	require.NotContains(t, ui.Policy, "unsafe")
	require.Equal(t, http.StatusNotModified, ask("/ui/", w.Header().Get("ETag")).Code)
	for _, path := range []string{"/ui/nope.js", "/ui/files/index.html", "/ui/..%2fui.go", "/ui/ui.go"} {
		require.Equal(t, http.StatusNotFound, ask(path, "").Code, path)
	}
}
