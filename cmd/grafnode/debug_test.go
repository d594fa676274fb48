package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
)

// The archive has all of every node that answers, says which did not, and holds none of their secrets.
func TestDebug(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	house := identitytest.New(t)
	a := newSecureAgents(t, 3, house)
	leader := a.ready()
	a.session(leader, "s1")
	a.change(leader, "s1")
	silent := (leader + 1) % 3
	a.kill(silent, syscall.SIGKILL)

	files := house.Member("ada", identity.Operator)
	path := filepath.Join(t.TempDir(), "d.tar.gz")
	var stdout, stderr bytes.Buffer
	ask := []string{"operator", "debug", path, "--cpu", "1s", "--tls-ca", files.CA, "--tls-cert", files.Cert, "--tls-key", files.Key, "--address"}
	require.Equal(t, exitFailed, run(t.Context(), append(ask, a.bind[silent]), &stdout, &stderr), "that node does not answer")
	require.NoFileExists(t, path)
	stderr.Reset()
	require.Equal(t, exitOK, run(t.Context(), append(ask, a.bind[leader]), &stdout, &stderr), &stderr)
	require.Equal(t, path+"\n", stdout.String())

	got := unpack(t, path)
	require.Contains(t, got["grafnode-debug/edges.json"], `"name": "e"`)
	require.Contains(t, got["grafnode-debug/history/e.json"], `"reason": "created"`)
	require.Contains(t, got["grafnode-debug/errors.txt"], a.bind[silent])
	whole := 0
	for name, text := range got {
		for _, secret := range []string{files.Key, a.args[leader][len(a.args[leader])-1]} {
			key, err := os.ReadFile(secret)
			require.NoError(t, err)
			require.NotContains(t, text, strings.TrimSpace(string(key)), name)
		}
		require.NotContains(t, text, "secret", "%s: a session's token", name)
		if strings.HasSuffix(name, "/log.txt") {
			whole++
			require.Contains(t, text, "node is up")
			for _, beside := range []string{"settings.toml", "metrics.txt", "goroutines.txt", "heap.pprof", "cpu.pprof", "status.json"} {
				require.NotEmpty(t, got[strings.TrimSuffix(name, "log.txt")+beside], beside)
			}
		}
	}
	require.Equal(t, 2, whole)

	code, _, said := command(t, "operator", "debug", path, "--cpu", "1h")
	require.Equal(t, exitUsage, code)
	require.Contains(t, said, "--cpu 1h0m0s: must be 1s to 30s")
}

func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	zipped, err := gzip.NewReader(f)
	require.NoError(t, err)
	got := map[string]string{}
	for in := tar.NewReader(zipped); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		require.NoError(t, err)
		text, err := io.ReadAll(in)
		require.NoError(t, err)
		got[h.Name] = string(text)
	}
}
