package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

func TestWatchQueries(t *testing.T) {
	parse := func(query string) (api.WatchRequest, error) {
		return watchRequest(queryOf(httptest.NewRequest("GET", "/v1/watch?"+query, nil)))
	}
	r, err := parse("prefix=p.&node=n1&kind=edge,lease&mode=all&from=7")
	require.NoError(t, err)
	require.Equal(t, api.WatchRequest{
		Prefix: "p.", Node: "n1", Kinds: []api.RecordKind{api.RecordEdge, api.RecordLease}, Mode: api.WatchAll, From: 7,
	}, r)
	r, err = parse("")
	require.NoError(t, err)
	require.Equal(t, api.WatchRequest{}, r)
	for _, query := range []string{
		"mode=most", "kind=edges", "kind=edge,", "kind=" + strings.Repeat("edge,", 1000), "from=-1", "from=x", "since=7",
		"prefix=a&prefix=b", "prefix=" + strings.Repeat("x", 300), "prefix=%00", "node=%ff", "from=18446744073709551616",
	} {
		_, err := parse(query)
		require.ErrorIs(t, err, api.ErrInvalid, query)
	}
}

// A watch that ends says up to where it had sent everything.
func TestAWatchsLastWords(t *testing.T) {
	f := newFixture(t)
	f.registry.events = []api.Event{{Type: api.EventSync, Revision: 8}}
	f.registry.watchErr = api.ErrGap
	status, _, body := f.ask(t, "GET", "/v1/watch?mode=all", "")
	require.Equal(t, http.StatusOK, status)
	lines := strings.Split(strings.TrimSpace(body), "\n")
	var last api.Event
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	require.Equal(t, api.EventError, last.Type)
	require.Equal(t, api.Revision(8), last.Revision)
	require.Equal(t, api.KindGap, last.Error.Kind)
}

// Whatever a query says, it is refused in our words or becomes a request that the registry takes.
func FuzzWatchQuery(f *testing.F) {
	for _, seed := range []string{"", "prefix=p.&from=7", "kind=edge,lease&mode=all&node=n1", "kind=,&kind=", "from=1e9", "%", "a;b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r, err := watchRequest(queryOf(&http.Request{URL: &url.URL{RawQuery: query}}))
		if err != nil {
			require.Equal(t, api.KindInvalid, api.ErrorOf(err).Kind)
			return
		}
		require.NoError(t, r.Check())
		require.LessOrEqual(t, len(r.Kinds), len(api.RecordKinds))
	})
}

// lastSent is the revision that a watch's end names.
func (f *fakeRegistry) lastSent() (at api.Revision) {
	for _, e := range f.events {
		at = max(at, e.Revision)
	}
	return at
}
