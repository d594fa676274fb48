package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/benchmark"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
)

// benchData returns the command of a data-plane benchmark, with a directory in which nothing may be left.
func benchData(t *testing.T, args ...string) (cmd *exec.Cmd, dir string) {
	if runtime.GOOS != "linux" {
		t.Skip("rings in shared memory are there on Linux only")
	}
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("the peers are built with cc")
	}
	dir, err := os.MkdirTemp("", "gn")
	require.NoError(t, err)
	t.Cleanup(func() {
		left, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Empty(t, left)
		require.NoError(t, os.Remove(dir))
	})
	cmd = exec.Command(os.Args[0], append([]string{"bench"}, args...)...)
	cmd.Env = append(os.Environ(), "GRAFNODE_TEST_COMMAND=1", "TMPDIR="+dir, benchmark.PeersEnv+"=")
	return cmd, dir
}

// linesOf runs a benchmark that prints JSON.
func linesOf(t *testing.T, args ...string) (lines []figures.Line) {
	cmd, _ := benchData(t, append(args, "--json")...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	for objects := json.NewDecoder(bytes.NewReader(out)); ; {
		var l figures.Line
		err := objects.Decode(&l)
		if errors.Is(err, io.EOF) {
			return lines
		}
		require.NoError(t, err)
		lines = append(lines, l)
	}
}

// That figures come out, not which.
func TestBenchRing(t *testing.T) {
	names := map[string]string{}
	for _, l := range linesOf(t, "ring", "--runs", "1", "--for", "40ms") {
		names[l.Case] += l.Against + " "
		require.Positive(t, l.Value, l.Case)
		require.NotNil(t, l.Setting, l.Case)
		require.NotEmpty(t, l.Payload+l.Placement+l.Waiting+l.Checks)
		if l.Against != "" {
			require.Positive(t, l.Ratio)
			require.NotEmpty(t, l.PeerSet)
		}
	}
	require.Equal(t, map[string]string{
		"oneway/64B/batched": "c-ring unix tcp ", "oneway/64B/typed": "c-ring unix tcp ", "oneway/1KiB": "c-ring unix tcp ",
		"oneway/64B/typed/checked": "c-ring unix tcp ",
		"oneway/16KiB":             "c-ring unix tcp ", "rtt/64B/spin": "c-ring ", "rtt/64B/parked": "futex unix tcp ", "idle/1000": " ",
	}, names)
}

func TestBenchRingInterrupted(t *testing.T) {
	cmd, dir := benchData(t, "ring", "--for", "1m", "--against", "futex", "--case", "rtt/64B/parked")
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { // its parties run
		logs, err := filepath.Glob(filepath.Join(dir, "*", "*.log"))
		return err == nil && len(logs) == 2
	}, patience, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	require.Equal(t, 1, cmd.ProcessState.ExitCode())
}

func TestBenchWire(t *testing.T) {
	names := map[string]string{}
	for _, l := range linesOf(t, "wire", "--runs", "1", "--for", "40ms") {
		names[l.Case] += l.Against
		require.Positive(t, l.Value, l.Case)
		require.Positive(t, l.Ratio)
		require.NotEmpty(t, l.Payload+l.Placement+l.Waiting+l.Checks)
		require.NotEmpty(t, l.PeerSet)
	}
	require.Equal(t, map[string]string{"wire/64B/batched": "tcp", "wire/1KiB": "tcp", "wire/16KiB": "tcp"}, names)
}
