package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/benchmark"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
)

// benchRegistry returns the command, with a directory in which nothing may be left.
func benchRegistry(t *testing.T, args ...string) (cmd *exec.Cmd, dir string) {
	dir, err := os.MkdirTemp("", "gn")
	require.NoError(t, err)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Empty(t, left)
		require.NoError(t, os.Remove(dir))
	})
	cmd = exec.Command(os.Args[0], append([]string{"bench", "registry", "--runs", "1", "--quick", "--dir", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GRAFNODE_TEST_COMMAND=1", "TMPDIR="+dir, benchmark.PeersEnv+"=")
	return cmd, dir
}

// That figures come out, not which.
func TestBenchRegistry(t *testing.T) {
	if testing.Short() {
		t.Skip("starts nodes and kills some")
	}
	cases := "cas/1,cas/64,read/default,read/strict/64,watch/follower,leader-killed"
	cmd, _ := benchRegistry(t, "--json", "--case", cases)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	require.Contains(t, stderr.String(), "no peers: $GRAFNODE_BENCH_PEERS is not set")
	var names []string
	for lines := json.NewDecoder(bytes.NewReader(out)); ; {
		var l figures.Line
		if err := lines.Decode(&l); err == io.EOF {
			break
		} else {
			require.NoError(t, err)
		}
		names = append(names, l.Case)
		require.Positive(t, l.Value, l.Case)
	}
	require.Equal(t, cases, strings.Join(names, ","))
}

func TestBenchRegistryInterrupted(t *testing.T) {
	cmd, dir := benchRegistry(t)
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { // its servers run
		logs, err := filepath.Glob(filepath.Join(dir, "*", "*.log"))
		return err == nil && len(logs) >= 3
	}, patience, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
}
