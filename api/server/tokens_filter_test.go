package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// What is not in a token's prefixes is not in its lists.
func TestListsAreFiltered(t *testing.T) {
	f := newTokenFixture(t)
	other := strings.NewReplacer("p.parse", "q.parse", "o1", "o2").Replace(createParse)
	status, _, body := f.ask(t, "POST", "/v1/changes", other)
	require.Equal(t, http.StatusOK, status, body)
	apply(t, f.registry, state.GrantLease{Lease: lease.NewID(), Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 4096, TTL: lease.TTLDefault})
	f.stages.Report("s1", api.StageReport{Stage: "parse", Edges: []api.EdgeReport{{Edge: "p.parse", Role: "producer"}, {Edge: "q.parse", Role: "producer"}}})
	_, all := f.token(t, time.Time{}, api.Rule{Rights: api.Rights})
	_, some := f.token(t, time.Time{}, api.Rule{Prefix: "p.", Rights: api.Rights}, api.Rule{Prefix: "zz", Rights: api.Rights[:1]})
	_, none := f.token(t, time.Time{}, api.Rule{Prefix: "parse", Rights: api.Rights})
	for secret, want := range map[string]map[string][2]int{ // how often the two edges are in the answers
		all:  {"GET /v1/edges": {1, 1}, "GET /v1/leases": {1, 1}, "GET /v1/reports": {1, 1}},
		some: {"GET /v1/edges": {1, 0}, "GET /v1/leases": {1, 0}, "GET /v1/reports": {1, 0}},
		none: {"GET /v1/edges": {0, 0}, "GET /v1/leases": {0, 0}, "GET /v1/reports": {0, 0}},
	} {
		for route, counts := range want {
			w := f.list(route, Caller{}, secret)
			require.Equal(t, counts, [2]int{strings.Count(w, `"p.parse"`), strings.Count(w, `"q.parse"`)}, "%s: %s", route, w)
		}
		var leases []api.Lease
		require.NoError(t, json.Unmarshal([]byte(f.list("GET /v1/leases", Caller{Role: identity.Operator}, secret)), &leases))
		require.Len(t, leases, map[string]int{all: 4, some: 2, none: 0}[secret], "the unnamed one is for those who may see everything")
	}
}

func (f *tokenFixture) list(route string, caller Caller, secret string) string {
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequest(method, path, nil)
	if secret != "" {
		r.Header.Set(api.HeaderAuthorization, api.TokenScheme+" "+secret)
	}
	w := httptest.NewRecorder()
	as(caller, f.server.Handler()).ServeHTTP(w, r)
	return w.Body.String()
}

// watched is what a token's reader is told of events.
func (f *tokenFixture) watched(t *testing.T, secret, query string) (events []api.Event) {
	r := httptest.NewRequest("GET", "/v1/watch"+query, nil)
	r.Header.Set(api.HeaderAuthorization, api.TokenScheme+" "+secret)
	w := httptest.NewRecorder()
	as(Caller{}, f.server.Handler()).ServeHTTP(w, r)
	for d := json.NewDecoder(w.Body); ; {
		var e api.Event
		err := d.Decode(&e)
		if err == io.EOF {
			return events
		}
		require.NoError(t, err)
		events = append(events, e)
	}
}

// Each event is judged, in the state at the beginning and at a record's end too.
func TestWatchesAreFiltered(t *testing.T) {
	f := newTokenFixture(t)
	f.registry.watchErr = api.ErrUnavailable
	edge := func(kind api.EventType, name string, deleted bool) api.Event {
		return api.Event{Type: kind, Kind: api.RecordEdge, Edge: &api.Edge{Name: name}, Deleted: deleted}
	}
	of := func(l api.Lease, deleted bool) api.Event {
		return api.Event{Type: api.EventChange, Kind: api.RecordLease, Lease: &l, Deleted: deleted}
	}
	f.registry.events = []api.Event{
		edge(api.EventState, "p.a", false), edge(api.EventState, "q.a", false), {Type: api.EventSync, Revision: 5},
		edge(api.EventChange, "q.a", true), edge(api.EventChange, "p.a", true),
		of(api.Lease{ID: "1", Edge: "p.a"}, true), of(api.Lease{ID: "2", Edge: "q.a"}, true), of(api.Lease{ID: "3", Name: "p.r"}, false), of(api.Lease{ID: "4"}, false),
		{Type: api.EventChange, Kind: api.RecordNode, Node: &api.Node{ID: "p.node", Name: "p.node"}},
		{Type: api.EventChange, Kind: api.RecordSession, Session: &api.Session{ID: "p.session", Stage: "p.stage"}},
		{Type: api.EventBookmark, Revision: 9},
	}
	_, all := f.token(t, time.Time{}, api.Rule{Rights: []api.Right{api.RightWatch}})
	_, some := f.token(t, time.Time{}, api.Rule{Prefix: "p.", Rights: []api.Right{api.RightWatch}}, api.Rule{Rights: []api.Right{api.RightRead}})
	require.Len(t, f.watched(t, all, ""), len(f.registry.events)+1)
	var told []string
	for _, e := range f.watched(t, some, "") {
		_, name := e.Record()
		told = append(told, fmt.Sprint(e.Type, name, e.Deleted))
	}
	require.Equal(t, []string{"statep.afalse", "syncfalse", "changep.atrue", "change1true", "change3false", "bookmarkfalse", "errorfalse"}, told)
	for _, kinds := range []string{"?kind=node", "?kind=edge,session"} {
		require.Contains(t, f.list("GET /v1/watch"+kinds, Caller{}, some), `"forbidden"`)
		require.Len(t, f.watched(t, all, kinds), len(f.registry.events)+1)
	}
}

// A watch does not outlive its token, and says how far it had come.
func TestAWatchEndsWithItsToken(t *testing.T) {
	for name, end := range map[string]func(f *tokenFixture, id string){
		"was deleted": func(f *tokenFixture, id string) { apply(t, f.registry, state.RemoveToken{Token: id}) },
		"has expired": func(f *tokenFixture, id string) { // as if time had passed
			token, _ := f.registry.State().Token(id)
			apply(t, f.registry, state.RemoveToken{Token: id})
			apply(t, f.registry, state.PutToken{Token: id, Name: "test", Hash: token.Hash, Rules: token.Rules, Expires: 1})
		},
	} {
		f := newTokenFixture(t)
		id, secret := f.token(t, time.Now().Add(time.Hour), api.Rule{Rights: []api.Right{api.RightWatch}})
		f.registry.events = []api.Event{{Type: api.EventSync, Revision: 5}, {Type: api.EventBookmark, Revision: 6},
			{Type: api.EventChange, Revision: 7, Kind: api.RecordEdge, Edge: &api.Edge{Name: "p.a"}}}
		f.registry.onEvent = func(i int) {
			if i == 2 {
				end(f, id)
			}
		}
		told := f.watched(t, secret, "")
		require.Len(t, told, 3)
		require.Equal(t, api.EventError, told[2].Type)
		require.Equal(t, api.Revision(6), told[2].Revision)
		require.Equal(t, api.KindForbidden, told[2].Error.Kind)
		require.Contains(t, told[2].Error.Message, name)
	}
}

// So for sessions.
func TestAWatchEndsWithItsSession(t *testing.T) {
	f := newTokenFixture(t)
	f.registry.events = []api.Event{{Type: api.EventSync, Revision: 5}, {Type: api.EventBookmark, Revision: 6}, {Type: api.EventBookmark, Revision: 7}}
	f.registry.onEvent = func(i int) {
		if i == 2 {
			apply(t, f.registry, state.EndSession{Session: "s1"})
		}
	}
	_, w := f.show("GET /v1/watch", Caller{}, map[string]string{api.HeaderSession: "s1", api.HeaderToken: "secret"})
	require.Equal(t, 3, strings.Count(w.Body.String(), "\n"), "%s", w.Body)
	require.Contains(t, w.Body.String(), "session s1 has ended")
}
