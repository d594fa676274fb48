package shm_test

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/shm"
)

// footprint is what this process holds.
type footprint struct{ files, mappings, resident int }

func measure(t *testing.T) footprint {
	t.Helper()
	debug.FreeOSMemory()
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	statm, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.Atoi(string(bytes.Fields(statm)[1]))
	require.NoError(t, err)
	return footprint{len(files), bytes.Count(maps, []byte("memfd:grafnode")), pages * os.Getpagesize()}
}

// cycle opens a ring, uses all of it, and closes it.
func cycle(t *testing.T) {
	a, err := shm.New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(t, err)
	p, err := a.Producer()
	require.NoError(t, err)
	c, err := a.Consumer()
	require.NoError(t, err)
	for i := range uint64(8) {
		b, err := p.Claim(fabric.RecordMax(fabric.CapacityMin))
		require.NoError(t, err)
		clear(b)
		require.NoError(t, p.Commit())
		require.NoError(t, p.Flush())
		_, err = c.Next()
		require.NoError(t, err)
		require.NoError(t, c.Ack(i+1, nil))
	}
	require.NoError(t, p.Close())
	require.NoError(t, c.Close())
	require.NoError(t, a.Close())
}

// TestCycles opens, uses and closes rings over and over, and holds nothing more in the end than in the beginning.
func TestCycles(t *testing.T) {
	cycles := 500
	if os.Getenv("GRAFNODE_CI") != "" {
		cycles = 10_000
	}
	for range 100 {
		cycle(t)
	}
	before := measure(t)
	for range cycles {
		cycle(t)
	}
	after := measure(t)
	require.Equal(t, before.files, after.files)
	require.Equal(t, before.mappings, after.mappings)
	const ring = fabric.CapacityMin
	require.Less(t, after.resident, before.resident+64*ring, "after %d rings of %d bytes", cycles, ring)
}

// TestManyRest has a thousand rings whose both sides wait for nothing: they cost neither threads nor processor time.
func TestManyRest(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a thousand rings")
	}
	const rings = 1000
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	if limit.Cur < 20*rings {
		t.Skipf("only %d descriptors are allowed", limit.Cur)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var waits sync.WaitGroup
	for range rings {
		a, err := shm.New(fabrictest.Config(fabric.CapacityMin))
		require.NoError(t, err)
		p, err := a.Producer()
		require.NoError(t, err)
		c, err := a.Consumer()
		require.NoError(t, err)
		for _, wait := range []func(context.Context) error{p.Wait, c.Wait} {
			waits.Go(func() {
				for wait(ctx) == nil {
				}
			})
		}
		defer func() {
			require.NoError(t, p.Close())
			require.NoError(t, c.Close())
			require.NoError(t, a.Close())
		}()
	}
	defer waits.Wait()
	defer cancel()
	share := 1.0
	for range 20 { // the first rounds see them fall asleep
		began, cpu := time.Now(), processorTime(t)
		time.Sleep(200 * time.Millisecond) // nothing happens, and that is what is measured
		if share = (processorTime(t) - cpu).Seconds() / time.Since(began).Seconds(); share < 0.01 {
			break
		}
	}
	require.Less(t, share, 0.01, "of a core")
	threads, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	require.Less(t, len(threads), 20+2*runtime.GOMAXPROCS(0))
}

func processorTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
