package demo_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/examples/accesslog"
)

// built is where the command was built, if a test needed it.
var built string

// program builds the command once and returns its path.
var program = sync.OnceValues(func() (path string, err error) {
	if built, err = os.MkdirTemp("", "grafnode-test-"); err != nil {
		return "", err
	}
	path = filepath.Join(built, "grafnode")
	out, err := exec.Command("go", "build", "-o", path, "github.com/grafnode/grafnode/cmd/grafnode").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// bench is a directory to run the demo in, with its temporary files in another.
type bench struct {
	t         *testing.T
	exe       string
	dir, temp string
}

func newBench(t *testing.T) *bench {
	if testing.Short() {
		t.Skip("runs the whole demo")
	}
	exe, err := program()
	require.NoError(t, err)
	return &bench{t: t, exe: exe, dir: t.TempDir(), temp: t.TempDir()}
}

func (b *bench) demo(args ...string) *exec.Cmd {
	cmd := exec.Command(b.exe, append([]string{"demo"}, args...)...)
	cmd.Dir = b.dir
	cmd.Env = append(os.Environ(), "TMPDIR="+b.temp)
	return cmd
}

// clean checks that the demo left neither a process nor a file.
func (b *bench) clean() {
	b.t.Helper()
	left, err := os.ReadDir(b.temp)
	require.NoError(b.t, err)
	require.Empty(b.t, left)
	if runtime.GOOS != "linux" {
		return
	}
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	require.NoError(b.t, err)
	for _, link := range links {
		target, _ := os.Readlink(link) // it may have gone meanwhile
		require.NotEqual(b.t, b.exe, target, "%s is left", link)
	}
}

func TestEndToEnd(t *testing.T) {
	b := newBench(t)
	var log bytes.Buffer
	require.NoError(t, accesslog.Generate(&log, 5, 5000))
	require.NoError(t, os.WriteFile(filepath.Join(b.dir, "access.log"), log.Bytes(), 0o600))

	out, err := b.demo("access.log", "--rate", "300", "--seed", "3", "--store", "rows.db", "--report", "out").CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%s", out)
	b.clean()
	require.Contains(t, string(out), "5000 lines in ")
	require.Contains(t, string(out), ", 0 lost, 0 doubled\n")

	text, err := os.ReadFile(filepath.Join(b.dir, "out", "report.json"))
	require.NoError(t, err)
	var report struct {
		InputLines   int `json:"input_lines"`
		Stored       int `json:"stored"`
		DeadLettered int `json:"dead_lettered"`
		Seed         int `json:"seed"`
		Failures     []struct {
			What     string   `json:"what"`
			Detected *float64 `json:"detected_ms"`
			SinkGap  *float64 `json:"sink_gap_ms"`
		} `json:"failures"`
	}
	require.NoError(t, json.Unmarshal(text, &report))
	require.Equal(t, 5000, report.InputLines)
	require.Equal(t, 5000, report.Stored+report.DeadLettered)
	require.Equal(t, 3, report.Seed)
	var what []string
	for _, f := range report.Failures {
		what = append(what, f.What)
		require.NotNil(t, f.Detected, f.What)
		require.NotNil(t, f.SinkGap, f.What)
	}
	require.Equal(t, []string{"ring-node", "enrich", "store", "leader", "ingest"}, what)

	db, err := sql.Open("sqlite", filepath.Join(b.dir, "rows.db"))
	require.NoError(t, err)
	defer db.Close()
	var rows, lines int
	require.NoError(t, db.QueryRow(`SELECT COUNT(*), COUNT(DISTINCT line) FROM requests`).Scan(&rows, &lines))
	require.Equal(t, report.Stored, rows)
	require.Equal(t, rows, lines)
	require.FileExists(t, filepath.Join(b.dir, "out", "report.html"))
}

func TestInterrupted(t *testing.T) {
	b := newBench(t)
	cmd := b.demo("--kill", "none")
	out := &awaited{text: "flowing", seen: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	<-out.seen
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.Error(t, cmd.Wait())
	b.clean()
}

func TestRefused(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{{"none.log"}, {"."}, {"--kill", "everything"}, {"--nodes", "1"}, {"--store", "."}} {
		out, err := b.demo(args...).CombinedOutput()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit)
		require.Equal(t, 2, exit.ExitCode(), "%v", args)
		require.Equal(t, 1, strings.Count(string(out), "\n"), "%s", out)
		b.clean()
	}
}

// awaited is a writer that says when a text has gone by.
type awaited struct {
	text string
	seen chan struct{}
	all  bytes.Buffer
	once sync.Once
}

func (a *awaited) Write(p []byte) (int, error) {
	a.all.Write(p)
	if strings.Contains(a.all.String(), a.text) {
		a.once.Do(func() { close(a.seen) })
	}
	return len(p), nil
}
