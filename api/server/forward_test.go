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
	"github.com/grafnode/grafnode/registry/state"
)

// Requests for another cluster are refused by whoever gets them, and what a node passes on says for which it is.
func TestClustersDoNotMix(t *testing.T) {
	leader, follower := newFixture(t), newFixture(t)
	follower.follow(leader.url)
	for name, f := range map[string]*fixture{"leader": leader, "follower": follower} {
		for _, ask := range [][2]string{
			{"GET", "/v1/edges"}, {"GET", "/v1/edges?consistency=stale"}, {"POST", "/v1/changes"}, {"POST", "/v1/nodes"}, {"POST", "/v1/renew"},
			{"GET", "/v1/watch"}, {"GET", "/v1/status"}, {"POST", "/v1/internal/sessions"}, {"PUT", "/v1/operator/snapshot"},
		} {
			status, header, body := f.ask(t, ask[0], ask[1], "{}", api.HeaderCluster, "c1.2")
			require.Equal(t, http.StatusMisdirectedRequest, status, "%s %v", name, ask)
			require.Equal(t, "c1", header.Get(api.HeaderCluster))
			require.Contains(t, body, `"other-cluster"`)
			require.Contains(t, body, "is of cluster c1, the request is for")
		}
		status, _, body := f.ask(t, "GET", "/v1/edges", "", api.HeaderCluster, "c1")
		require.Equal(t, http.StatusOK, status, body)
	}
	// The address of the leader is another cluster's by now.
	other := newFixture(t)
	other.registry.state = state.New()
	apply(t, other.registry, state.InitCluster{Cluster: "c9"})
	follower.follow(other.url)
	status, _, body := follower.ask(t, "POST", "/v1/edges/e/relocate", "{}")
	require.Equal(t, http.StatusMisdirectedRequest, status)
	require.Contains(t, body, "is of cluster c9")
	h := get[api.Health](t, follower, "/v1/operator/health")
	require.False(t, h.Healthy)
	require.Contains(t, strings.Join(h.Problems, "\n"), "is of cluster c9")
}

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
