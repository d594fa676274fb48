package server

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
)

// follow makes f a follower of the leader at url.
func (f *fixture) follow(url string) {
	f.registry.leads = false
	f.registry.leader = registry.Peer{ID: "n2", Address: strings.TrimPrefix(url, "http://")}
}

func TestAFollowerPassesOnWhatTheLeaderMustAnswer(t *testing.T) {
	leader, follower := newFixture(t), newFixture(t)
	follower.follow(leader.url)
	status, header, body := follower.ask(t, "POST", "/v1/changes", createParse)
	require.Equal(t, http.StatusOK, status, body)
	require.Equal(t, []string{"6"}, header.Values(api.HeaderRevision), "the leader's, once")
	require.Equal(t, api.Revision(6), get[api.Edge](t, follower, "/v1/edges/p.parse").Revision)

	status, _, body = follower.ask(t, "GET", "/v1/edges/p.parse?consistency=stale", "")
	require.Equal(t, http.StatusNotFound, status, "its own state has not got it: "+body)
	status, _, body = follower.ask(t, "GET", "/v1/edges?consistency=maybe", "")
	require.Equal(t, http.StatusBadRequest, status, body)
	status, _, body = follower.ask(t, "POST", "/v1/changes", `{"detail":"`+strings.Repeat("x", bodyMax)+`"}`)
	require.Equal(t, http.StatusRequestEntityTooLarge, status, body)
}

func TestARequestIsPassedOnOnce(t *testing.T) {
	a, b := newFixture(t), newFixture(t)
	a.follow(b.url)
	b.follow(a.url)
	status, _, body := a.ask(t, "GET", "/v1/edges", "")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, body, string(api.KindNoQuorum))
	require.Contains(t, body, "took this node for the leader")
}

func TestWithoutALeaderNothingIsDone(t *testing.T) {
	f := newFixture(t)
	f.registry.leads, f.registry.leader = false, registry.Peer{}
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/v1/edges", ""}, {"POST", "/v1/changes", createParse}, {"GET", "/v1/nodes?consistency=strict", ""},
	} {
		status, header, body := f.ask(t, c.method, c.path, c.body)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, body, string(api.KindNoQuorum))
		require.Empty(t, header.Get(api.HeaderLeader))
	}
	status, _, _ := f.ask(t, "GET", "/v1/edges?consistency=stale", "")
	require.Equal(t, http.StatusOK, status)
}

// A leader that is not there was not asked; one that goes away after it was may have done anything.
func TestALeaderThatDoesNotAnswer(t *testing.T) {
	f := newFixture(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, gone.Close())
	f.follow(gone.Addr().String())
	_, _, body := f.ask(t, "POST", "/v1/changes", createParse)
	require.Contains(t, body, string(api.KindNoQuorum))

	dying := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}))
	defer dying.Close()
	f.follow(dying.URL)
	_, _, body = f.ask(t, "POST", "/v1/changes", createParse)
	require.Contains(t, body, `"kind":"`+string(api.KindUnknown)+`"`)
	_, _, body = f.ask(t, "GET", "/v1/edges", "")
	require.Contains(t, body, `"kind":"`+string(api.KindUnavailable)+`"`)
}
