package client_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

func apiOf(t *testing.T, f http.HandlerFunc) *client.API {
	t.Helper()
	return apiWithin(t, patience, f)
}

// apiWithin gives up what is not answered in time.
func apiWithin(t *testing.T, limit time.Duration, f http.HandlerFunc) *client.API {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	a, err := client.NewAPI(strings.TrimPrefix(s.URL, "http://"), client.APIConfig{Timeout: limit})
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	return a
}

// What is known of a request that got no answer: reads can be asked elsewhere, writes that may have left are unknown, writes
// that did not even connect did not happen.
func TestOutcomes(t *testing.T) {
	for name, f := range map[string]http.HandlerFunc{
		"hangs up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"silent": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"x":`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := apiWithin(t, 200*time.Millisecond, f)
			_, err := a.Edge(t.Context(), "e", api.Stale)
			require.ErrorIs(t, err, api.ErrUnavailable)
			_, err = a.Change(t.Context(), api.ChangeRequest{})
			require.ErrorIs(t, err, api.ErrUnknown)
		})
	}
	for _, target := range []string{"127.0.0.1:1", filepath.Join(t.TempDir(), "none")} {
		a, err := client.NewAPI(target, client.APIConfig{})
		require.NoError(t, err)
		_, err = a.Change(t.Context(), api.ChangeRequest{})
		require.ErrorIs(t, err, api.ErrUnavailable)
		require.NotErrorIs(t, err, api.ErrUnknown)
		require.ErrorContains(t, err, target)
	}
}

func TestForeignAnswers(t *testing.T) {
	a := apiOf(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "<html>not here", http.StatusTeapot) })
	_, err := a.Status(t.Context())
	require.ErrorIs(t, err, api.ErrInternal)
	require.ErrorContains(t, err, "not in grafnode's words")
	a = apiOf(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "{") })
	_, err = a.Status(t.Context())
	require.ErrorIs(t, err, api.ErrCorrupt)
	a = apiOf(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "12345") })
	_, err = a.ReadBlocks(t.Context(), "l", 0, 4)
	require.ErrorIs(t, err, api.ErrTooLarge)
}

func TestRequestsAsTheServerWantsThem(t *testing.T) {
	var got []string
	a := apiOf(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.String()+" "+string(body))
		io.WriteString(w, "{}")
	})
	ctx := t.Context()
	a.DeleteEdge(ctx, "e", 4)
	a.WriteBlocks(ctx, "l", 7, 3, []byte("bytes"), 8)
	a.FenceBlocks(ctx, "l", 7)
	a.Relocate(ctx, "e", api.RelocateRequest{})
	a.RevokeLease(ctx, "l", "why not")
	require.Equal(t, []string{
		"DELETE /v1/edges/e?expect=4 ",
		"PUT /v1/blocks/l?bytes=5&epoch=7&number=3&offset=8 bytes",
		"POST /v1/blocks/l/fence?epoch=7 {}",
		"POST /v1/edges/e/relocate {}",
		"POST /v1/leases/l/revoke?detail=why+not {}",
	}, got)
}

// An API stays with the cluster that it was first answered by, whoever has the address later.
func TestAnAPIStaysWithItsCluster(t *testing.T) {
	cluster := "c1"
	var asked []string
	a := apiOf(t, func(w http.ResponseWriter, r *http.Request) {
		want := r.Header.Get(api.HeaderCluster)
		asked = append(asked, want)
		w.Header().Set(api.HeaderCluster, cluster)
		if want != "" && want != cluster {
			refuse(w, api.KindCluster)
			return
		}
		io.WriteString(w, "{}")
	})
	ctx := t.Context()
	_, err := a.Status(ctx)
	require.NoError(t, err)
	_, err = a.Change(ctx, api.ChangeRequest{})
	require.NoError(t, err)
	cluster = "c2"
	for range 2 {
		_, err = a.Change(ctx, api.ChangeRequest{})
		require.ErrorIs(t, err, api.ErrCluster)
		require.NotErrorIs(t, err, api.ErrUnknown, "nothing was done")
	}
	for _, err := range a.Watch(ctx, api.WatchRequest{}) {
		require.ErrorIs(t, err, api.ErrCluster)
	}
	require.Equal(t, []string{"", "c1", "c1", "c1", "c1"}, asked)
}

func TestUnixTargets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		give(w, api.Status{Name: "own"})
	})}}
	s.Start()
	defer s.Close()
	for _, target := range []string{path, "unix:" + path} {
		a, err := client.NewAPI(target, client.APIConfig{})
		require.NoError(t, err)
		status, err := a.Status(t.Context())
		require.NoError(t, err)
		require.Equal(t, "own", status.Name)
		a.Close()
	}
}
