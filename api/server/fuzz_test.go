package server

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// Whatever a body says, the answer is a success or an error in our words, and the server lives.
func FuzzRequests(f *testing.F) {
	paths := []string{"/v1/changes", "/v1/leases", "/v1/renew", "/v1/nodes", "/v1/internal/sessions", "/v1/internal/found",
		"/v1/checkpoints/k", "/v1/edges/p.parse/relocate", "/v1/leases/l/adopt", "/v1/operator/raft/transfer"}
	f.Add(uint8(9), []byte(`{"to":"n2"}`))
	f.Add(uint8(0), []byte(createParse))
	f.Add(uint8(1), []byte(`{"kind":"block","bytes":4096,"ttl_ns":2000000000,"name":"r"}`))
	f.Add(uint8(2), []byte(`{"node":"n1","incarnation":1,"leases":["l"],"sessions":["s1"]}`))
	f.Add(uint8(3), []byte(`{"node":{"id":"n4","address":"127.0.0.4:7400","memory":1}}`))
	f.Add(uint8(4), []byte(`{"end":{"session":"s1","node":"n1"}}`))
	f.Add(uint8(6), []byte(`{"epoch":1,"write":true,"value":"AAAA","sum":1}`))
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		fixture := newFixture(t)
		r := httptest.NewRequest("POST", paths[int(which)%len(paths)], strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(api.HeaderSession, "s1")
		r.Header.Set(api.HeaderToken, "secret")
		w := httptest.NewRecorder()
		fixture.handler().ServeHTTP(w, r)
		if w.Code/100 == 2 {
			return
		}
		var e api.Error
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e), w.Body.String())
		require.NotEqual(t, api.KindInternal, e.Kind, e.Message)
	})
}

// Whatever a request line says, the answer is a success, a redirection or an error in our words.
func FuzzRequestLines(f *testing.F) {
	for route, s := range samples {
		method, _, _ := strings.Cut(route, " ")
		f.Add(method, s.path+"?consistency=stale&prefix=p&bytes=1&epoch=1&number=1&offset=0&force=true&expect=1&from=1", s.body)
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		u, err := url.Parse(target)
		if err != nil || !strings.HasPrefix(target, "/") {
			return // net/http refuses it before us
		}
		fixture := newFixture(t)
		fixture.registry.watchErr = api.ErrUnavailable
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		r.Method, r.URL, r.RequestURI = method, u, target
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(api.HeaderSession, "s1")
		r.Header.Set(api.HeaderToken, "secret")
		w := httptest.NewRecorder()
		fixture.handler().ServeHTTP(w, r)
		if w.Code < 400 || method == "HEAD" {
			return
		}
		var e api.Error
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e), w.Body.String())
		require.NotEqual(t, api.KindInternal, e.Kind, e.Message)
	})
}

// What checkJSON lets pass, the decoder and a second, independent look agree on: one value, no name twice.
func FuzzStrictJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"A":2}`))
	f.Add([]byte(`{"a":"\ud800","a\u0000":1e999}`))
	f.Add([]byte(strings.Repeat("[", 40)))
	f.Fuzz(func(t *testing.T, body []byte) {
		if checkJSON(body) != nil {
			return
		}
		require.True(t, json.Valid(body), "%q", body)
		var v any
		d := json.NewDecoder(strings.NewReader(string(body)))
		d.UseNumber()
		require.NoError(t, d.Decode(&v))
	})
}
