package page

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/proc"
	"github.com/grafnode/grafnode/position"
)

// cluster is some nodes on this machine, each a process, and stages of this process.
type cluster struct {
	t         *testing.T
	dir       string
	nodes     []lab.Node
	processes []*proc.Process
}

// start starts n nodes. Secured ones want certificates of whoever asks them.
func start(t *testing.T, n int, secured bool) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "gn") // not t.TempDir: its paths are too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	c := &cluster{t: t, dir: dir}
	c.nodes, err = lab.Plan(n, dir)
	require.NoError(t, err)
	if secured {
		_, err = lab.Secure(c.nodes, c.dir)
		require.NoError(t, err)
	}
	launcher := proc.NewLauncher()
	t.Cleanup(launcher.Close)
	for _, node := range c.nodes {
		p, err := launcher.Start(proc.Spec{Name: node.Name, Path: grafnode, Log: filepath.Join(dir, node.Name+".log"),
			Args: lab.Agent(node, c.nodes, node.SecureArgs()...)})
		require.NoError(t, err)
		c.processes = append(c.processes, p)
	}
	t.Cleanup(func() {
		for _, node := range c.nodes {
			if t.Failed() {
				t.Log(node.Name, lab.Tail(filepath.Join(dir, node.Name+".log")))
			}
		}
	})
	return c
}

// page returns the address of a node's page.
func (c *cluster) page(i int) string { return "http://" + c.nodes[i].Address + "/ui/" }

// edge asks node i for an edge.
func (c *cluster) edge(i int, name string) api.Edge {
	c.t.Helper()
	a, err := client.NewAPI(c.nodes[i].Socket, client.APIConfig{})
	require.NoError(c.t, err)
	defer a.Close()
	e, err := a.Edge(c.t.Context(), name, api.Default)
	require.NoError(c.t, err)
	return e
}

// stage is a process's line to a node, for a stage.
func (c *cluster) stage(i int, name string) *client.Client {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for {
		cl, err := client.Dial(ctx, client.Config{Socket: c.nodes[i].Socket, Stage: name, TTL: 30 * time.Second, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			c.t.Cleanup(func() { _ = cl.Close() })
			return cl
		}
		if ctx.Err() != nil {
			c.t.Fatalf("%s: %v", name, err)
		}
		select { // the node's socket is not there yet, or it has no cluster
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// flow has items pass from a stage on one node to one on another until the test ends, and each tell how it gets on.
func (c *cluster) flow(name string, from, to *client.Client, fromStage, toStage string) {
	c.t.Helper()
	out, err := edge.Produce[string](c.t.Context(), from, name, edge.StageName(fromStage), edge.Capacity(1<<16))
	require.NoError(c.t, err)
	in, err := edge.Consume[string](c.t.Context(), to, name, edge.StageName(toStage))
	require.NoError(c.t, err)
	ctx, end := context.WithCancel(c.t.Context())
	var all sync.WaitGroup
	all.Go(func() { push(ctx, out) })
	all.Go(func() {
		for m, err := range in.All(ctx) {
			if err != nil || in.Ack(m.Pos) != nil {
				return
			}
		}
	})
	all.Go(func() {
		for every := time.NewTicker(300 * time.Millisecond); ctx.Err() == nil; {
			select {
			case <-every.C:
			case <-ctx.Done():
			}
			_ = from.Report(ctx, api.StageReport{Stage: fromStage, Edges: []api.EdgeReport{out.Stats()}})
			_ = to.Report(ctx, api.StageReport{Stage: toStage, Edges: []api.EdgeReport{in.Stats()}})
		}
	})
	c.t.Cleanup(func() {
		end()
		_, _ = in.Close(ctx), out.Close(ctx)
		all.Wait()
	})
}

func push(ctx context.Context, out *edge.Producer[string]) {
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for n := uint64(1); ; n++ {
		if err := out.Push(ctx, position.Position{Offset: n}, fmt.Sprint("item ", n)); err != nil {
			return
		}
		_ = out.Flush()
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}
