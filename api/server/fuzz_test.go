package server

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// Whatever a body says, the answer is a success or an error in our words, and the server lives.
func FuzzRequests(f *testing.F) {
	paths := []string{"/v1/changes", "/v1/leases", "/v1/renew", "/v1/nodes", "/v1/internal/sessions", "/v1/internal/found",
		"/v1/checkpoints/k", "/v1/edges/p.parse/relocate", "/v1/leases/l/adopt"}
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
		fixture.server.Handler().ServeHTTP(w, r)
		if w.Code/100 == 2 {
			return
		}
		var e api.Error
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &e), w.Body.String())
		require.NotEqual(t, api.KindInternal, e.Kind, e.Message)
	})
}
