package docs

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/manual"
	"github.com/grafnode/grafnode/internal/proc"
)

// program is what a reader would write around a block of Go. For BLOCK stands the block, for OTHERS the same with the stages that it does not run.
type program struct{ path, text string }

// programs are of the documents with blocks of Go, one each.
var programs = map[string]program{
	"README.md": {"integration/docs/testdata/readme/main.go", `package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/stream"
	lines "github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

var (
	source = lines.Slice[string]{"to be", "or not", "to be"}
	sink   = &streamtest.Sink[int]{}
)

func parse(_ context.Context, line string) ([]string, error) { return strings.Fields(line), nil }
func enrich(_ context.Context, words []string) (int, error)  { return len(words), nil }

func one(ctx context.Context) error {
BLOCK
	return errors.Join(err, cl.Close())
}

func others(ctx context.Context) error {
OTHERS
	return errors.Join(err, cl.Close())
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	ended := make(chan error)
	go func() { ended <- one(ctx) }()
	err := errors.Join(others(ctx), <-ended)
	cancel()
	if got := fmt.Sprint(sink.Values()); err != nil || got != "[2 2 2]" {
		fmt.Println(got, err)
		os.Exit(1)
	}
}
`},
	"examples/accesslog/README.md": {"examples/accesslog/readme.go", `package accesslog

import (
	"time"

	"github.com/grafnode/grafnode/stream"
)

var _ = func(p *stream.Pipeline, path string, rate float64, rejects stream.Sink[stream.Rejected], table stream.Sink[Row]) {
BLOCK
}
`},
}

// goBlocks returns the blocks of Go of a document.
func goBlocks(t *testing.T, path string) (texts []string) {
	t.Helper()
	blocks, err := manual.Read(path)
	require.NoError(t, err)
	for _, b := range blocks {
		if b.Language == "go" {
			texts = append(texts, b.Text)
		}
	}
	return texts
}

// What the documents show of Go compiles, and what it is the beginning of does what it is shown for.
func TestProgramsOfDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("links programs")
	}
	paths, err := manual.Documents(root)
	require.NoError(t, err)
	for _, path := range paths {
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		blocks := goBlocks(t, path)
		p, ok := programs[name]
		require.Equal(t, ok, len(blocks) > 0, "%s", name)
		if !ok {
			continue
		}
		require.Len(t, blocks, 1, "%s", name)
		others := strings.ReplaceAll(blocks[0], `stream.Stages("parse")`, `stream.Stages("ingest", "enrich", "store")`)
		text := strings.NewReplacer("BLOCK", blocks[0], "OTHERS", others).Replace(p.text)
		t.Run(name, func(t *testing.T) { p.try(t, text) })
	}
}

// try compiles a program where it would stand in the sources, and runs it beside a node.
func (p program) try(t *testing.T, text string) {
	dir, err := os.MkdirTemp("", "gn") // not t.TempDir: its paths are too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	at, err := filepath.Abs(filepath.Join(root, p.path))
	require.NoError(t, err)
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {at: filepath.Join(dir, "text.go")}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text.go"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay"), overlay, 0o600))
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay"), "-o", filepath.Join(dir, "program"), "./"+filepath.Dir(p.path))
	build.Dir, build.Env = root, environment()
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	if !strings.HasPrefix(text, "package main\n") {
		return
	}
	run := exec.Command(filepath.Join(dir, "program"))
	run.Env = environment("GRAFNODE_SOCKET=" + aNode(t, dir))
	out, err = run.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// aNode runs until the test ends. It returns its socket, which is there.
func aNode(t *testing.T, dir string) (socket string) {
	bin := binaries(t)
	nodes, err := lab.Plan(1, dir)
	require.NoError(t, err)
	l := proc.NewLauncher()
	t.Cleanup(l.Close)
	_, err = l.Start(proc.Spec{Name: nodes[0].Name, Path: filepath.Join(bin, "grafnode"), Log: filepath.Join(dir, "log"), Args: lab.Agent(nodes[0], nodes)})
	require.NoError(t, err)
	wait := exec.Command(filepath.Join(bin, "grafnode"), "operator", "health", "--wait", "1m")
	wait.Env = environment("GRAFNODE_SOCKET=" + nodes[0].Socket)
	out, err := wait.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, lab.Tail(filepath.Join(dir, "log")))
	return nodes[0].Socket
}
