package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const createParse = `{"op_id":"o1","session":"s1","reason":"created","edges":[{"name":"p.parse","expect":0,
	"take_producer":true,"producer_stage":"parse"}]}`

func TestAChangeCreatesAnEdgeAndItCanBeRead(t *testing.T) {
	f := newFixture(t)
	status, header, body := f.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, "c1", header.Get(api.HeaderCluster))
	require.Equal(t, "127.0.0.1:7400", header.Get(api.HeaderLeader))
	require.Equal(t, "6", header.Get(api.HeaderRevision))
	var changed api.ChangeResponse
	require.NoError(t, json.Unmarshal([]byte(body), &changed))
	require.Equal(t, api.Revision(6), changed.Revision)

	e := get[api.Edge](t, f, "/v1/edges/p.parse")
	require.Equal(t, changed.Edges[0].Locator, e.Locator)
	require.Equal(t, fence.Epoch(1), e.Generation)
	require.Equal(t, uint64(capacityDefault), e.Capacity)
	require.Equal(t, lease.SessionID("s1"), e.Producer.Session)
	require.Len(t, get[[]api.Edge](t, f, "/v1/edges?prefix=p."), 1)
	require.Empty(t, get[[]api.Edge](t, f, "/v1/edges?prefix=q.&consistency=stale"))
	require.Len(t, get[[]api.Change](t, f, "/v1/edges/p.parse/history"), 1)
	require.Len(t, get[[]api.Lease](t, f, "/v1/leases?consistency=strict"), 1)

	status, _, body = f.ask(t, "POST", "/v1/edges/p.parse/relocate", `{"avoid":["`+string(e.Locator.Node)+`"]}`)
	require.Equal(t, http.StatusOK, status, body)
	moved := get[api.Edge](t, f, "/v1/edges/p.parse")
	require.NotEqual(t, e.Locator.Node, moved.Locator.Node)
	require.Equal(t, fence.Epoch(2), moved.Generation)
	require.Equal(t, api.ReasonRequested, moved.Reason)

	status, _, _ = f.ask(t, "DELETE", "/v1/edges/p.parse?expect=6", "")
	require.Equal(t, http.StatusConflict, status)
	status, _, _ = f.ask(t, "DELETE", "/v1/edges/p.parse?expect=7", "")
	require.Equal(t, http.StatusNoContent, status)
	status, _, _ = f.ask(t, "GET", "/v1/edges/p.parse", "")
	require.Equal(t, http.StatusNotFound, status)
}

func TestBadRequestsAreRefusedInOneClearLine(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("x", 129)
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		kind               api.Kind
		says               string
	}{
		"no such route":          {"GET", "/v1/nope", "", nil, 404, api.KindNotFound, "no route GET /v1/nope"},
		"wrong method":           {"GET", "/v1/changes", "", nil, 405, api.KindInvalid, "it takes POST"},
		"wrong content type":     {"POST", "/v1/changes", "{}", []string{"Content-Type", "text/plain"}, 400, api.KindInvalid, "application/json"},
		"empty body":             {"POST", "/v1/changes", "", nil, 400, api.KindInvalid, "is empty"},
		"no JSON":                {"POST", "/v1/changes", "{", nil, 400, api.KindInvalid, "unexpected EOF"},
		"unknown field":          {"POST", "/v1/changes", `{"reson":"x"}`, nil, 400, api.KindInvalid, `"reson"`},
		"two values":             {"POST", "/v1/renew", `{} {}`, nil, 400, api.KindInvalid, "more than one"},
		"wrong type":             {"POST", "/v1/renew", `{"incarnation":"1"}`, nil, 400, api.KindInvalid, "incarnation"},
		"over the limit":         {"POST", "/v1/changes", `{"detail":"` + strings.Repeat("x", bodyMax) + `"}`, nil, 413, api.KindTooLarge, "over 1048576"},
		"no session":             {"POST", "/v1/changes", createParse, []string{api.HeaderSession, ""}, 400, api.KindInvalid, api.HeaderSession},
		"session that has ended": {"POST", "/v1/changes", createParse, []string{api.HeaderSession, "s0"}, 410, api.KindSession, "has ended"},
		"wrong token":            {"POST", "/v1/changes", createParse, []string{api.HeaderToken, "guess"}, 410, api.KindSession, "token"},
		"another's session":      {"POST", "/v1/changes", strings.Replace(createParse, `"s1"`, `"s2"`, 1), nil, 400, api.KindInvalid, `"s2"`},
		"no operation":           {"POST", "/v1/changes", strings.Replace(createParse, `o1`, ``, 1), nil, 400, api.KindInvalid, "op_id"},
		"invented reason":        {"POST", "/v1/changes", strings.Replace(createParse, `created`, `because`, 1), nil, 400, api.KindInvalid, "because"},
		"no edges":               {"POST", "/v1/changes", `{"op_id":"o","session":"s1","reason":"created","edges":[]}`, nil, 400, api.KindInvalid, "0 edges"},
		"bad edge name":          {"POST", "/v1/changes", strings.Replace(createParse, `p.parse`, `p/parse`, 1), nil, 400, api.KindInvalid, "p/parse"},
		"long edge name":         {"GET", "/v1/edges/" + long, "", nil, 400, api.KindInvalid, "is not a name"},
		"odd capacity":           {"POST", "/v1/changes", strings.Replace(createParse, `"take_producer"`, `"capacity":100000,"take_producer"`, 1), nil, 400, api.KindInvalid, "power of two"},
		"stage without a name":   {"POST", "/v1/changes", strings.Replace(createParse, `,"producer_stage":"parse"`, ``, 1), nil, 400, api.KindInvalid, "stage"},
		"unknown edge":           {"GET", "/v1/edges/nope", "", nil, 404, api.KindNotFound, "no edge nope"},
		"unknown consistency":    {"GET", "/v1/edges?consistency=eventual", "", nil, 400, api.KindInvalid, "stale, default or strict"},
		"unknown parameter":      {"GET", "/v1/edges?prefx=a", "", nil, 400, api.KindInvalid, `"prefx"`},
		"parameter given twice":  {"GET", "/v1/edges?prefix=a&prefix=b", "", nil, 400, api.KindInvalid, "2 times"},
		"expect is missing":      {"DELETE", "/v1/edges/nope", "", nil, 400, api.KindInvalid, `"expect"`},
		"expect is no number":    {"DELETE", "/v1/edges/nope?expect=-1", "", nil, 400, api.KindInvalid, "whole number"},
		"from is no number":      {"GET", "/v1/watch?from=x", "", nil, 400, api.KindInvalid, "whole number"},
		"lease of nothing":       {"POST", "/v1/leases", `{"kind":"mem","ttl_ns":10000000000}`, nil, 400, api.KindInvalid, "no size"},
		"lease without a term":   {"POST", "/v1/leases", `{"kind":"mem","bytes":1}`, nil, 400, api.KindInvalid, "term"},
		"release of nothing":     {"DELETE", "/v1/leases/nope", "", nil, 404, api.KindNotFound, "nope"},
		"revoke of nothing":      {"POST", "/v1/leases/nope/revoke", "{}", nil, 404, api.KindNotFound, "nope"},
		"relocate of nothing":    {"POST", "/v1/edges/nope/relocate", "", nil, 404, api.KindNotFound, "nope"},
		"two session requests":   {"POST", "/v1/internal/sessions", `{"open":{},"end":{}}`, nil, 400, api.KindInvalid, "exactly one"},
		"token sum too short":    {"POST", "/v1/internal/sessions", `{"open":{"token_sum":"AAAA"}}`, nil, 400, api.KindInvalid, "SHA-256"},
		"unknown checkpoint":     {"GET", "/v1/checkpoints/a/b", "", nil, 404, api.KindNotFound, "a/b"},
		"large checkpoint":       {"POST", "/v1/checkpoints/a", `{"epoch":1,"write":true,"value":"` + strings.Repeat("AAAA", 22000) + `"}`, nil, 413, api.KindTooLarge, "66000"},
		"write by another site":  {"POST", "/v1/edges/e/relocate", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, api.KindForbidden, "another site"},
		"unknown block region":   {"GET", "/v1/blocks/nope?bytes=1", "", nil, 404, api.KindNotFound, "nope"},
		"large block read":       {"GET", "/v1/blocks/nope?bytes=99999999", "", nil, 413, api.KindTooLarge, "99999999"},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, body := f.ask(t, c.method, c.path, c.body, c.headers...)
			require.Equal(t, c.status, status, body)
			require.Equal(t, "application/json", header.Get("Content-Type"))
			var e api.Error
			require.NoError(t, json.Unmarshal([]byte(body), &e), body)
			require.Equal(t, c.kind, e.Kind, body)
			require.Contains(t, e.Message, c.says)
			require.NotContains(t, e.Message, "\n")
		})
	}
}

func TestASessionNewerThanThisNodesStateIsNotCalledEnded(t *testing.T) {
	f := newFixture(t)
	f.registry.onRead = func() {
		apply(t, f.registry, state.OpenSession{Session: "s2", Stage: "enrich", Node: "n1", Incarnation: 1, TTL: 10 * time.Second,
			Token: sha256.Sum256([]byte("secret"))})
	}
	status, _, body := f.ask(t, "POST", "/v1/changes", strings.ReplaceAll(createParse, "s1", "s2"), api.HeaderSession, "s2")
	require.Equal(t, http.StatusOK, status, body)
}

func TestBlocksAreReadAndWrittenUnderAnEpoch(t *testing.T) {
	f := newFixture(t)
	apply(t, f.registry, state.GrantLease{Lease: "l1", Kind: lease.KindBlock, Node: "n1", Session: "s1", Name: "r", Bytes: 4096, TTL: 10 * time.Second})
	status, _, body := f.ask(t, "PUT", "/v1/blocks/l1?offset=8&bytes=5&epoch=3&number=2", "hello")
	require.Equal(t, http.StatusNoContent, status, body)
	status, _, body = f.ask(t, "PUT", "/v1/blocks/l1?offset=8&bytes=5&epoch=3&number=1", "early")
	require.Equal(t, http.StatusConflict, status, body)
	status, _, body = f.ask(t, "PUT", "/v1/blocks/l1?offset=8&bytes=5&epoch=3", "which")
	require.Equal(t, http.StatusBadRequest, status, body)
	status, _, body = f.ask(t, "GET", "/v1/blocks/l1?offset=8&bytes=5", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "hello", body)
	status, _, _ = f.ask(t, "POST", "/v1/blocks/l1/fence?epoch=4", "")
	require.Equal(t, http.StatusNoContent, status)
	status, _, body = f.ask(t, "PUT", "/v1/blocks/l1?bytes=4&epoch=3&number=3", "late")
	require.Equal(t, http.StatusForbidden, status, body)
	status, _, _ = f.ask(t, "PUT", "/v1/blocks/l1?bytes=9&epoch=4&number=3", "cut")
	require.Equal(t, http.StatusBadRequest, status)
	apply(t, f.registry, state.RevokeLease{Lease: "l1"})
	status, _, body = f.ask(t, "GET", "/v1/blocks/l1?bytes=1", "")
	require.Equal(t, http.StatusGone, status, body)
	require.Contains(t, body, string(api.KindRevoked))
}

func TestCheckpointsAreFencedAndTheirKeysMayHaveSlashes(t *testing.T) {
	f := newFixture(t)
	status, _, body := f.ask(t, "POST", "/v1/checkpoints/p%2Fparse", `{"epoch":3,"write":true,"value":"YWJj","sum":910901175}`)
	require.Equal(t, http.StatusOK, status, body)
	got := get[api.Checkpoint](t, f, "/v1/checkpoints/p%2Fparse")
	require.Equal(t, "p/parse", got.Key)
	require.Equal(t, "abc", string(got.Value))
	status, _, body = f.ask(t, "POST", "/v1/checkpoints/p%2Fparse", `{"epoch":2,"write":false}`)
	require.Equal(t, http.StatusForbidden, status, body)
}

func TestRenewalsAreForTheAskingIncarnationOnly(t *testing.T) {
	f := newFixture(t)
	apply(t, f.registry, state.GrantLease{Lease: "l1", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: 10 * time.Second})
	apply(t, f.registry, state.GrantLease{Lease: "l2", Kind: lease.KindMemory, Node: "n2", Session: "s1", Bytes: 1, TTL: 10 * time.Second})
	apply(t, f.registry, state.GrantLease{Lease: "l3", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: 10 * time.Second})
	apply(t, f.registry, state.RevokeLease{Lease: "l3"})
	const ask = `{"node":"n1","incarnation":1,"leases":["l1","l2","l3","l4"],"sessions":["s1","s2"]}`
	status, _, body := f.ask(t, "POST", "/v1/renew", ask)
	require.Equal(t, http.StatusOK, status, body)
	var renewed api.RenewResponse
	require.NoError(t, json.Unmarshal([]byte(body), &renewed))
	require.Equal(t, map[lease.ID]time.Duration{"l1": time.Second}, renewed.Leases, "neither another node's nor what is gone")
	require.Equal(t, map[lease.SessionID]time.Duration{"s1": time.Second}, renewed.Sessions)
	require.Equal(t, map[string]lease.Status{"l3": lease.Revoked}, renewed.Ended)

	apply(t, f.registry, state.RegisterNode{Node: "n1", Address: "127.0.0.1:7400", Memory: 1 << 20})
	status, _, body = f.ask(t, "POST", "/v1/renew", ask)
	require.Equal(t, http.StatusForbidden, status, body)
	require.Contains(t, body, string(api.KindFenced))
}

func TestTheEndOfAnEndedSessionSucceeds(t *testing.T) {
	f := newFixture(t)
	for range 2 {
		status, _, body := f.ask(t, "POST", "/v1/internal/sessions", `{"end":{"session":"s1","node":"n1","incarnation":1}}`)
		require.Equal(t, http.StatusOK, status, body)
	}
}

func TestWatchIsOneEventALine(t *testing.T) {
	f := newFixture(t)
	f.registry.events = []api.Event{{Type: api.EventState, Revision: 1, Edge: &api.Edge{Name: "e"}}, {Type: api.EventSync, Revision: 1}}
	f.registry.watchErr = api.ErrUnavailable
	left := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	f.handler().ServeHTTP(left, httptest.NewRequest("GET", "/v1/watch", nil))
	require.Contains(t, left.Body.String(), string(api.KindUnavailable))
	require.Len(t, left.set, 1+len(f.registry.events)+2) // the first for its refusal
	require.True(t, left.set[len(left.set)-1].IsZero(), "the connection's next answer is not to be cut off by this one's limit")

	status, header, body := f.ask(t, "GET", "/v1/watch", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "application/x-ndjson", header.Get("Content-Type"))
	lines := bytes.Split(bytes.TrimSpace([]byte(body)), []byte("\n"))
	require.Len(t, lines, 3)
	var last api.Event
	require.NoError(t, json.Unmarshal(lines[2], &last))
	require.Equal(t, api.EventError, last.Type)
	require.Equal(t, api.KindUnavailable, last.Error.Kind)
}

func TestHealth(t *testing.T) {
	f := newFixture(t)
	status, _, body := f.ask(t, "GET", "/livez", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok\n", body)
	require.True(t, get[api.Status](t, f, "/v1/status").Ready)
	f.server.c.Problems = func() []string { return []string{"no leader", "not registered"} }
	status, _, body = f.ask(t, "GET", "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "no leader\nnot registered\n", body)
	require.Equal(t, []string{"no leader", "not registered"}, get[api.Status](t, f, "/v1/status").Problems)
	nodes := get[[]api.Node](t, f, "/v1/nodes")
	require.Len(t, nodes, 3)
	require.True(t, nodes[0].Leader)
	require.True(t, nodes[0].Voter)
	require.Equal(t, "alive", nodes[1].Health)
	status, header, body := f.ask(t, "GET", "/", "")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, header.Get("Content-Type"), "text/html")
	require.Contains(t, body, "grafnode")
}

// deadlines notes the write deadlines that an answer leaves on its connection.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.set = append(d.set, at)
	return nil
}
