package integration

import (
	"context"
	"fmt"
	"hash/crc32"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

// firstVersion is the commit of v0.1.0: its binary is built from the repository's history.
const firstVersion = "832d50f"

func buildFirstVersion(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil || exec.Command("git", "cat-file", "-e", firstVersion+"^{commit}").Run() != nil {
		t.Skipf("no history with %s to build the first version from", firstVersion)
	}
	dir := t.TempDir()
	unpack := exec.Command("sh", "-c", "git -C \"$1\" archive "+firstVersion+" | tar -x -C \"$2\"", "sh", string(root[:len(root)-1]), dir)
	out, err := unpack.CombinedOutput()
	require.NoError(t, err, "%s", out)
	old := filepath.Join(dir, "grafnode.old")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", old, "./cmd/grafnode")
	build.Dir = dir
	out, err = build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return old
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

// Three nodes of v0.1.0 become three of this version, one by one and under load. The level of the state rises when the last of
// them is new, and not before; then a node of v0.1.0 is not taken in any more.
func TestRollingUpgrade(t *testing.T) {
	needsTime(t)
	old := buildFirstVersion(t)
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
			require.EqualValues(t, 1, c.level(nd), "a node of v0.1.0 is left")
		}
	}
	eventually(t, "the level rises", func(context.Context) bool { return c.level(c.nodes[0]) == 2 })
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
