package integration

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/registry/state"
)

// release is one of the past: its binaries are built from the repository's history. Neither had packages or certificates.
type release struct {
	name, commit string
	level        uint64 // of its registry's state
}

var releases = []release{{"v0.1.0", "832d50f", 1}, {"v0.2.0", "e5253a9", 2}}

func (r release) build(t *testing.T) (grafnode, accesslog string) {
	t.Helper()
	root, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil || exec.Command("git", "cat-file", "-e", r.commit+"^{commit}").Run() != nil {
		t.Skipf("no history with %s to build %s from", r.commit, r.name)
	}
	dir := t.TempDir()
	unpack := exec.Command("sh", "-c", "git -C \"$1\" archive "+r.commit+" | tar -x -C \"$2\"", "sh", string(root[:len(root)-1]), dir)
	out, err := unpack.CombinedOutput()
	require.NoError(t, err, "%s", out)
	bin := filepath.Join(dir, "bin") + "/"
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", bin, "./cmd/grafnode", "./examples/accesslog/cmd/accesslog")
	build.Dir = dir
	out, err = build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin + "grafnode", bin + "accesslog"
}

// counting writes rising numbers to a checkpoint, each until it is acknowledged, and returns the last. Whatever is tried again is the
// same number, so an attempt that is done twice is done once.
func (c *cluster) counting(ctx context.Context, key string) (last int) {
	for n := 1; ctx.Err() == nil; n++ {
		value := []byte(strconv.Itoa(n))
		request := api.CheckpointRequest{Epoch: 1, Write: true, Value: value, Sum: crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli))}
		for try, began := 0, time.Now(); ; try++ {
			attempt, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			_, err := c.nodes[try%len(c.nodes)].api.PutCheckpoint(attempt, key, request)
			cancel()
			if err == nil {
				last = n
				break
			}
			if time.Since(began) > patience {
				c.t.Errorf("%s: %d was not taken for %v: %v", key, n, patience, err)
				return last
			}
		}
	}
	return last
}

// Three nodes of each release become three of this version, one by one and under load. The level of the state rises when the last of
// them is new, and not before, and with it come spares; then a node of the old release is not taken in any more.
func TestRollingUpgrade(t *testing.T) {
	needsTime(t)
	for _, r := range releases {
		t.Run(r.name, r.upgrades)
	}
}

func (r release) upgrades(t *testing.T) {
	old, _ := r.build(t)
	c := prepareCluster(t, 3)
	for _, nd := range c.nodes {
		nd.bin = old
		nd.start()
	}
	for _, nd := range c.nodes {
		nd.ready()
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var counters sync.WaitGroup
	counted := make([]int, 3)
	for i := range counted {
		counters.Go(func() { counted[i] = c.counting(ctx, fmt.Sprint("k", i)) })
	}
	for i, nd := range c.nodes {
		nd.signal(syscall.SIGTERM)
		require.NoError(t, nd.wait())
		nd.bin = grafnode
		nd.start()
		nd.ready()
		if i < len(c.nodes)-1 {
			require.LessOrEqual(t, c.level(nd), r.level, "a node of %s is left", r.name)
			c.refusesSpares(nd, fmt.Sprint("e", i))
		}
	}
	eventually(t, "the level rises", func(context.Context) bool { return c.level(c.nodes[0]) == state.Level })
	c.armsSpares(c.nodes[0], "e0")
	stop()
	counters.Wait()
	for i, last := range counted {
		require.Positive(t, last)
		var got api.Checkpoint
		eventually(t, "a strict read", func(ctx context.Context) bool {
			var err error
			got, err = c.nodes[i].api.Checkpoint(ctx, fmt.Sprint("k", i))
			return err == nil
		})
		require.Equal(t, strconv.Itoa(last), string(got.Value))
	}
	t.Logf("writes acknowledged: %v", counted)

	late := c.newNode(0, []string{fmt.Sprintf("127.0.0.9:%s", c.nodes[0].address[len("127.0.0.1:"):]), c.nodes[0].address})
	late.name, late.log, late.bin = "late", filepath.Join(c.dir, "late.log"), old
	for i, arg := range late.args { // it founds nothing, and has a directory of its own
		switch arg {
		case "--bootstrap-expect":
			late.args[i+1] = "0"
		case "--data-dir":
			late.args[i+1] = filepath.Join(c.dir, "late")
		case "--socket":
			late.args[i+1] = filepath.Join(c.dir, "late.sock")
		}
	}
	late.start()
	eventually(t, "it is refused, and why", func(context.Context) bool {
		for _, nd := range c.nodes {
			if nd.said("install a newer grafnode there") {
				return true
			}
		}
		return false
	})
	raft, err := c.nodes[0].api.Raft(t.Context(), api.Default)
	require.NoError(t, err)
	require.Len(t, raft.Servers, 3)
}

// Nodes of the release before are upgraded under its stages, and these then: no line is lost or doubled.
func TestUpgradeUnderAPipeline(t *testing.T) {
	needsTime(t)
	t.Parallel()
	oldNode, oldStage := releases[len(releases)-1].build(t)
	c := prepareCluster(t, 3)
	for _, nd := range c.nodes {
		nd.bin = oldNode
	}
	c.start()
	p := newPipelineOf(t, c, oldStage, 12000, 500)
	p.flows(1000)
	for _, nd := range c.nodes {
		nd.signal(syscall.SIGTERM)
		require.NoError(t, nd.wait())
		nd.bin = grafnode
		nd.start()
		nd.ready()
	}
	for _, stage := range p.stages {
		p.replace(stage, accesslog)
	}
	p.flows(1000)
	p.finish()
}

// claims makes a stage at a node both sides of an edge.
func (c *cluster) claims(nd *node, edge string) (*client.Client, api.Edge) {
	cl, err := client.Dial(c.t.Context(), client.Config{Socket: nd.socket, Stage: "stage", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = cl.Close() })
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	was, err := cl.Edge(ctx, edge)
	if !errors.Is(err, api.ErrNotFound) {
		require.NoError(c.t, err)
	}
	taken, err := cl.Change(ctx, api.ChangeRequest{Reason: api.ReasonTakeover, Edges: []api.EdgeChange{{
		Name: edge, Expect: was.Revision, TakeProducer: true, TakeConsumer: true, ProducerStage: "stage", ConsumerStage: "stage", Capacity: 1 << 16,
	}}})
	require.NoError(c.t, err)
	return cl, taken[0]
}

// refusesSpares checks that a cluster with an older member arms no spare, and works on.
func (c *cluster) refusesSpares(nd *node, edge string) {
	cl, e := c.claims(nd, edge)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	_, err := cl.ChangeSpare(ctx, api.SpareRequest{Name: edge, Expect: e.Revision, Arm: true})
	if !errors.Is(err, api.ErrNotFound) { // an older leader knows no such route
		require.ErrorIs(c.t, err, fabric.ErrUnsupported)
	}
	moved, err := cl.Change(ctx, api.ChangeRequest{Reason: api.ReasonRequested, Edges: []api.EdgeChange{{Name: edge, Expect: e.Revision}}})
	require.NoError(c.t, err)
	require.Equal(c.t, e.Generation+1, moved[0].Generation)
	require.Nil(c.t, moved[0].Spare)
}

// armsSpares checks that the cluster does now.
func (c *cluster) armsSpares(nd *node, edge string) {
	cl, e := c.claims(nd, edge)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	armed, err := cl.ChangeSpare(ctx, api.SpareRequest{Name: edge, Expect: e.Revision, Arm: true})
	require.NoError(c.t, err)
	moved, err := cl.ChangeSpare(ctx, api.SpareRequest{Name: edge, Confirm: armed.Spare.Generation, Arm: true, Reason: api.ReasonRequested})
	require.NoError(c.t, err)
	require.Equal(c.t, armed.Spare.Locator, moved.Locator)
	require.NotNil(c.t, moved.Spare)
}

func (c *cluster) level(nd *node) uint64 {
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	h, err := nd.api.Health(ctx)
	if err != nil {
		c.t.Logf("%s: %v", nd.name, err)
		return 1
	}
	return h.Level
}
