//go:build linux

package scale_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/proc"
)

// TestScaleOverHTTP opens the watches at three real nodes over HTTP, each as a connection of its own, and measures when the last
// of them has a change that one client makes. A node takes 4,096 connections over TCP, so one is not enough for ten thousand.
func TestScaleOverHTTP(t *testing.T) {
	if os.Getenv("GRAFNODE_SCALE") == "" && os.Getenv("GRAFNODE_CI") == "" {
		t.Skip("builds and runs the binary: set GRAFNODE_CI=1 for a small run, GRAFNODE_SCALE for the whole")
	}
	open := 90
	if os.Getenv("GRAFNODE_SCALE") != "" {
		open = watchers
	}
	var files syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if most := int(files.Cur) - 500; open > most {
		report(t, "http", "only %d watches: this process may open %d files", most, files.Cur)
		open = most
	}
	g := startGroup(t)
	before := g.resident()
	w := g.watchAll(open)
	g.measure(w)
	report(t, "http", "%d watches, %d KB each in the nodes", open, perEach(g.resident()-min(before, g.resident()), open)/1024)
}

// group is three nodes of this machine, each a process.
type group struct {
	t       *testing.T
	at      []string // addresses
	socket  string   // of the first
	running []*proc.Process
}

func startGroup(t *testing.T) *group {
	dir := t.TempDir()
	bin := filepath.Join(dir, "grafnode")
	out, err := exec.Command("go", "build", "-o", bin, "../../cmd/grafnode").CombinedOutput()
	require.NoError(t, err, string(out))
	port := freePort(t)
	g := &group{t: t, socket: filepath.Join(dir, "1.sock")}
	for i := range 3 {
		g.at = append(g.at, fmt.Sprintf("127.0.0.%d:%d", i+1, port))
	}
	launcher := proc.NewLauncher()
	t.Cleanup(launcher.Close)
	for i, address := range g.at {
		name := strconv.Itoa(i + 1)
		p, err := launcher.Start(proc.Spec{
			Name: name, Path: bin, Log: filepath.Join(dir, name+".log"), Args: []string{
				"agent", "--name", name, "--data-dir", filepath.Join(dir, name), "--bind", address, "--join", strings.Join(g.at, ","),
				"--bootstrap-expect", "3", "--socket", filepath.Join(dir, name+".sock"), "--memory", "256MiB",
			},
		})
		require.NoError(t, err)
		g.running = append(g.running, p)
	}
	for _, address := range g.at {
		node, err := client.NewAPI(address, client.APIConfig{})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			s, err := node.Status(t.Context())
			return err == nil && s.Ready
		}, 5*time.Minute, 100*time.Millisecond, "node at %s is not ready", address)
		require.NoError(t, node.Close())
	}
	return g
}

// freePort returns one that was free with the one above it, where gossip is, below the range that the kernel hands out.
func freePort(t *testing.T) int {
	for range 100 {
		port := 20000 + 2*rand.IntN(5000)
		a, errA := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		b, errB := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		if errA == nil {
			a.Close()
		}
		if errB == nil {
			b.Close()
		}
		if errA == nil && errB == nil {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// resident returns the bytes of memory that the nodes have in use.
func (g *group) resident() (all uint64) {
	for _, p := range g.running {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.PID()))
		require.NoError(g.t, err)
		pages, err := strconv.ParseUint(strings.Fields(string(text))[1], 10, 64)
		require.NoError(g.t, err)
		all += pages * uint64(os.Getpagesize())
	}
	return all
}

const watched = "wide.edge"

// listeners are watches of one edge, on connections of their own.
type listeners struct {
	open   int
	synced atomic.Int64
	ready  chan struct{}
	all    chan told // each change that all have been told of

	mu   sync.Mutex
	told map[string]int // by revision: how many have been told
}

// told is a change that the last has been told of.
type told struct {
	revision string
	at       time.Time
}

func (g *group) watchAll(open int) *listeners {
	w := &listeners{open: open, ready: make(chan struct{}), all: make(chan told, 1000), told: map[string]int{}}
	ctx, stop := context.WithCancel(g.t.Context())
	var reading sync.WaitGroup
	g.t.Cleanup(func() { stop(); reading.Wait() })
	opening := make(chan struct{}, 64) // a node lets no more than 256 connections wait that have not said what they want
	for i := range open {
		opening <- struct{}{}
		reading.Go(func() {
			opened := sync.OnceFunc(func() {
				w.opened()
				<-opening
			})
			at := "0"
			for turn := i; ctx.Err() == nil; turn++ { // as package client: at the next node, from where it was
				w.read(ctx, g.at[turn%len(g.at)], &at, opened)
			}
		})
	}
	<-w.ready
	return w
}

func (w *listeners) changed(revision string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.told[revision]++; w.told[revision] == w.open {
		w.all <- told{revision, time.Now()}
	}
}

func (w *listeners) opened() {
	if w.synced.Add(1) == int64(w.open) {
		close(w.ready)
	}
}

// read counts what a stream says, until it ends. Its events are lines of JSON in chunks of HTTP, which need no decoding to be told
// apart.
func (w *listeners) read(ctx context.Context, address string, at *string, synced func()) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err = fmt.Fprintf(conn, "GET /v1/watch?prefix=%s&from=%s HTTP/1.1\r\nHost: grafnode\r\n\r\n", watched, *at); err != nil {
		return
	}
	for in := bufio.NewReaderSize(conn, 4096); ; {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		kind, rest, _ := bytes.Cut(line, []byte(`,"revision":`))
		revision, _, _ := bytes.Cut(rest, []byte(","))
		switch {
		case bytes.Equal(kind, []byte(`{"type":"change"`)):
			w.changed(string(revision))
		case bytes.Equal(kind, []byte(`{"type":"sync"`)), bytes.Equal(kind, []byte(`{"type":"bookmark"`)):
			synced()
			revision = bytes.TrimRight(revision, "}\r\n")
		default:
			continue
		}
		*at = string(revision)
	}
}

// measure changes the edge and waits each time until all have been told.
func (g *group) measure(w *listeners) {
	const changes = 20
	c, err := client.Dial(g.t.Context(), client.Config{Socket: g.socket, Stage: "scale", TTL: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(g.t, err)
	defer c.Close()
	var expect api.Revision
	var answered, took []time.Duration
	for range changes {
		began := time.Now()
		edges, err := c.Change(g.t.Context(), api.ChangeRequest{Reason: api.ReasonTakeover, Edges: []api.EdgeChange{{
			Name: watched, Expect: expect, TakeProducer: expect == 0, ProducerStage: "scale", Codec: "abcdef", Capacity: 1 << 16,
		}}})
		if errors.Is(err, api.ErrConflict) { // its lease has run out on a machine that is too busy
			e, err := c.Edge(g.t.Context(), watched)
			require.NoError(g.t, err)
			expect = e.Revision
			continue
		}
		require.NoError(g.t, err)
		expect = edges[0].Revision
		done := time.Now()
		for last := (told{}); last.revision != fmt.Sprint(expect); {
			select {
			case last = <-w.all:
				if last.revision == fmt.Sprint(expect) {
					answered, took = append(answered, done.Sub(began)), append(took, max(0, last.at.Sub(done)))
				}
			case <-time.After(time.Minute):
				require.Fail(g.t, "not all have been told in a minute")
			}
		}
	}
	require.NotEmpty(g.t, took)
	report(g.t, "http", "last told %v (p50), %v (worst) after the change was answered, which took %v (p50)", percentile(took, 50),
		percentile(took, 100), percentile(answered, 50))
}
