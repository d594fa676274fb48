package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

const golden = "../../registry/state/testdata/v1.snapshot"

// The snapshot of v0.1.0 is read for ever.
func TestSnapshotsAreInspectedOffline(t *testing.T) {
	code, stdout, stderr := command(t, "operator", "snapshot", "inspect", golden, "--json")
	require.Equal(t, exitOK, code, stderr)
	var info api.SnapshotInfo
	require.NoError(t, json.Unmarshal([]byte(stdout), &info))
	require.NotEmpty(t, info.Cluster)
	require.NotZero(t, info.Edges)
	code, stdout, _ = command(t, "operator", "snapshot", "verify", golden)
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, "is whole")

	b, err := os.ReadFile(golden)
	require.NoError(t, err)
	damaged := filepath.Join(t.TempDir(), "damaged")
	for _, at := range []int{0, len(b) / 2, len(b) - 1} {
		wrong := slices.Clone(b)
		wrong[at] ^= 1
		require.NoError(t, os.WriteFile(damaged, wrong, 0o600))
		code, stdout, stderr = command(t, "operator", "snapshot", "verify", damaged)
		require.Equal(t, exitFailed, code, "byte %d", at)
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.NoError(t, os.WriteFile(damaged, b[:at], 0o600))
		code, _, _ = command(t, "operator", "snapshot", "verify", damaged)
		require.Equal(t, exitFailed, code, "cut off at %d", at)
	}
}

// played is a node whose answers the test gives.
func played(t *testing.T, routes map[string]http.HandlerFunc) {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, h := range routes {
		mux.HandleFunc(pattern, h)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Setenv("GRAFNODE_ADDRESS", strings.TrimPrefix(s.URL, "http://"))
}

func give(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func refuse(w http.ResponseWriter, e *api.Error) {
	w.WriteHeader(e.Status())
	give(w, e)
}

// ask runs the command against played.
func ask(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestHealthHasAnExitStatus(t *testing.T) {
	var asked atomic.Int32
	played(t, map[string]http.HandlerFunc{"GET /v1/operator/health": func(w http.ResponseWriter, _ *http.Request) {
		h := api.Health{Healthy: asked.Add(1) > 2, Voters: 3, Quorum: 2, Margin: 1}
		if !h.Healthy {
			h.Problems = []string{"n2: its disk has 10 MiB left"}
		}
		give(w, h)
	}})
	code, stdout, stderr := ask(t, "operator", "health")
	require.Equal(t, exitUnhealthy, code)
	require.Contains(t, stdout, "10 MiB")
	require.Equal(t, "grafnode: unhealthy: n2: its disk has 10 MiB left\n", stderr)
	code, stdout, _ = ask(t, "operator", "health", "--wait", "30s", "--json")
	require.Equal(t, exitOK, code)
	require.Contains(t, stdout, `"healthy": true`)
	t.Setenv("GRAFNODE_ADDRESS", "127.0.0.1:1")
	code, _, stderr = ask(t, "operator", "health")
	require.Equal(t, exitFailed, code, "not asked is not unhealthy")
	require.Contains(t, stderr, "is the node running")
}

// A save that fails in any way leaves neither half a file nor the old one spoiled.
func TestASaveIsAllOrNothing(t *testing.T) {
	whole, err := os.ReadFile(golden)
	require.NoError(t, err)
	var send atomic.Pointer[func(w http.ResponseWriter)] // a handler that was cut off may still be at work
	played(t, map[string]http.HandlerFunc{"GET /v1/operator/snapshot": func(w http.ResponseWriter, _ *http.Request) { (*send.Load())(w) }})
	dir := t.TempDir()
	file := filepath.Join(dir, "s")
	require.NoError(t, os.WriteFile(file, []byte("old"), 0o644))
	for name, bad := range map[string]func(w http.ResponseWriter){
		"refused": func(w http.ResponseWriter) { refuse(w, api.Errorf(api.KindNoQuorum, "no leader")) },
		"cut off": func(w http.ResponseWriter) { _, _ = w.Write(whole[:len(whole)/2]); panic(http.ErrAbortHandler) },
		"short":   func(w http.ResponseWriter) { _, _ = w.Write(whole[:len(whole)/2]) },
		"empty":   func(http.ResponseWriter) {},
		"long":    func(w http.ResponseWriter) { _, _ = w.Write(append(slices.Clone(whole), 'x')) },
	} {
		send.Store(&bad)
		code, stdout, stderr := ask(t, "operator", "snapshot", "save", file)
		require.Equal(t, exitFailed, code, name)
		require.Empty(t, stdout, name)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		now, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, "old", string(now), name)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1, name)
	}
	good := func(w http.ResponseWriter) { _, _ = w.Write(whole) }
	send.Store(&good)
	code, stdout, stderr := ask(t, "operator", "snapshot", "save", file)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "edges")
	now, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, whole, now)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	code, _, _ = ask(t, "operator", "snapshot", "save", filepath.Join(dir, "none", "s"))
	require.Equal(t, exitUsage, code)
}

// A restore sends nothing that is not whole.
func TestARestoreIsVerifiedFirst(t *testing.T) {
	var sent atomic.Int32
	played(t, map[string]http.HandlerFunc{"PUT /v1/operator/snapshot": func(w http.ResponseWriter, r *http.Request) {
		sent.Add(1)
		give(w, api.RestoreResponse{Cluster: "c", Revision: 1 << 33})
	}})
	code, stdout, stderr := ask(t, "operator", "snapshot", "restore", golden)
	require.Equal(t, exitOK, code, stderr)
	require.Contains(t, stdout, "now at revision 8589934592")
	damaged := filepath.Join(t.TempDir(), "damaged")
	require.NoError(t, os.WriteFile(damaged, []byte("grafnode"), 0o600))
	code, _, _ = ask(t, "operator", "snapshot", "restore", damaged)
	require.Equal(t, exitFailed, code)
	require.EqualValues(t, 1, sent.Load())
}

// An answer that gets lost is resolved by looking.
func TestLostAnswersAreLookedInto(t *testing.T) {
	var gone atomic.Bool
	lose := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	look := func(then *api.Error, else_ any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if gone.Load() {
				refuse(w, then)
				return
			}
			give(w, else_)
		}
	}
	played(t, map[string]http.HandlerFunc{
		"DELETE /v1/edges/e": lose, "POST /v1/leases/l/revoke": lose, "DELETE /v1/operator/raft/{id}": lose,
		"GET /v1/edges/e":  look(api.Errorf(api.KindNotFound, "no edge e"), api.Edge{Name: "e", Revision: 7}),
		"GET /v1/leases/l": look(api.Errorf(api.KindRevoked, "revoked"), api.Lease{ID: "l"}),
		"GET /v1/operator/raft": func(w http.ResponseWriter, r *http.Request) {
			group := api.Raft{Servers: []api.RaftServer{{ID: "n1"}, {ID: "n2"}}}
			if gone.Load() && r.URL.Query().Get("consistency") == "strict" {
				group.Servers = group.Servers[:1]
			}
			give(w, group)
		},
	})
	for _, is := range []bool{false, true} {
		gone.Store(is)
		for _, args := range []string{"edge delete e --expect 7", "lease revoke l", "operator raft remove-peer n2"} {
			code, _, stderr := ask(t, strings.Fields(args)...)
			if is {
				require.Equal(t, exitOK, code, "%s: %s", args, stderr)
				continue
			}
			require.Equal(t, exitFailed, code, args)
			require.Contains(t, stderr, "ask again", args)
		}
	}
}

// Whatever is typed: one of the statuses, one line at most, nothing on stdout of what was asked wrongly.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		"status --json", "edge get \x00", "lease revoke --detail", "operator snapshot inspect /dev/null", "operator raft transfer-leader --timeout 1ns", "help help",
		"edge delete e --expect 99999999999999999999", "operator health --wait 1e9h", "-dev", "--", "- - -", "node list --timeout=-1s", "session get \xff\xfe",
	} {
		f.Add(s)
	}
	leaves, groups := verbs(newRoot())
	for _, verb := range append(leaves, groups...) {
		f.Add(verb + " x --json --nope=1")
	}
	skip := []string{"agent", "demo", "stage", "bench", "load", "recover", "save", "completion", "__complete"} // do things of their own, with files and processes
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Fields(line)
		for _, arg := range args {
			if strings.HasPrefix(arg, "--address") || slices.ContainsFunc(skip, func(s string) bool { return strings.Contains(arg, s) }) {
				return
			}
		}
		t.Setenv("GRAFNODE_ADDRESS", "127.0.0.1:1")
		code, stdout, stderr := command(t, args...)
		require.Contains(t, []int{exitOK, exitFailed, exitUsage}, code)
		if code == exitOK {
			return
		}
		require.Empty(t, stdout)
		require.Equal(t, 1, strings.Count(stderr, "\n"), "%q", stderr)
		require.True(t, strings.HasPrefix(stderr, "grafnode"), "%q", stderr)
	})
}
