//go:build unix

package scale_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// watchers is how many watches are open at once.
const watchers = 10_000

// TestScale runs for each number of edges in GRAFNODE_SCALE, such as "1000,10000,100000"; without, for a small one, so that
// it is known to work.
func TestScale(t *testing.T) {
	sizes := os.Getenv("GRAFNODE_SCALE")
	if sizes == "" {
		sizes = "200"
	}
	for _, size := range strings.Split(sizes, ",") {
		edges, err := strconv.Atoi(size)
		require.NoError(t, err)
		t.Run(size, func(t *testing.T) { measure(t, edges, os.Getenv("GRAFNODE_SCALE") == "") })
	}
}

func measure(t *testing.T, edges int, quick bool) {
	open, span := watchers, 3*ttl
	if quick {
		open, span = 100, time.Second
	}
	dir := t.TempDir()
	r := openReplica(t, dir)
	empty := heap()
	r.furnish()
	furnished := heap()

	r.made = make([]atomic.Bool, edges)
	stop := r.renewAll()
	began := time.Now()
	inParallel(edges, func(i int) {
		r.take(i, 0, 0)
		r.made[i].Store(i > 0) // edge 0 is for watchAll: its ring changes
	})
	report(t, "edges", "%d, made at %.0f/s", edges, float64(edges)/time.Since(began).Seconds())
	report(t, "heap", "%d bytes an edge with its lease, %d a node with its session", perEach(heap()-furnished, edges),
		perEach(furnished-empty, nodes))

	select {
	case <-time.After(span): // what is measured is how it goes over some terms
	case <-t.Context().Done():
	}
	r.watchAll(open)
	r.snapshot(edges)
	stop()

	revision := r.State().Revision()
	r.close()
	began = time.Now()
	cpu := cpuTime()
	r = openReplica(t, dir)
	defer r.close()
	require.GreaterOrEqual(t, r.State().Revision(), revision)
	report(t, "start", "%.2f s from files to leading, an election of a second or two in it; %.2f s of a core", time.Since(began).Seconds(),
		(cpuTime() - cpu).Seconds())
}

func report(t testing.TB, what, format string, args ...any) {
	t.Logf("%-9s %s", what, fmt.Sprintf(format, args...))
}

func perEach(bytes uint64, n int) uint64 { return bytes / uint64(n) }

// snapshot writes the state as a snapshot and reads it again.
func (r *replica) snapshot(edges int) {
	var file bytes.Buffer
	cpu := cpuTime()
	require.NoError(r.t, r.State().Write(&file))
	wrote := cpuTime() - cpu
	size := file.Len()
	cpu = cpuTime()
	_, err := state.Read(&file)
	require.NoError(r.t, err)
	report(r.t, "snapshot", "%.1f MB, %d bytes an edge; %.2f s of a core to write, %.2f s to read, renewals beside it in both", float64(size)/1e6,
		size/edges, wrote.Seconds(), (cpuTime() - cpu).Seconds())
	began := time.Now()
	require.NoError(r.t, r.Snapshot(r.t.Context()))
	report(r.t, "snapshot", "%.2f s by Raft, on disk", time.Since(began).Seconds())
}

// renewAll lets each node renew its session and its rings' leases every third of a term, in one request, until stop.
// ProposeExpire fails the test.
func (r *replica) renewAll() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var mu sync.Mutex
	var took []time.Duration
	var running sync.WaitGroup
	renew := func(n int) {
		request := api.RenewRequest{Node: nodeID(n), Incarnation: 1, Sessions: []lease.SessionID{sessionID(n)}}
		for edge := n; edge < len(r.made); edge += nodes {
			if r.made[edge].Load() {
				request.Leases = append(request.Leases, leaseID(edge, 0))
			}
		}
		asked := time.Now()
		renewed, err := r.keeper.Renew(context.WithoutCancel(ctx), request)
		if err != nil || len(renewed.Leases) != len(request.Leases) {
			r.t.Errorf("%s: %d of %d leases renewed: %v", request.Node, len(renewed.Leases), len(request.Leases), err)
		}
		mu.Lock()
		defer mu.Unlock()
		took = append(took, time.Since(asked))
	}
	for n := range nodes {
		running.Go(func() {
			timer := time.NewTimer(time.Duration(n) * (ttl / 3) / nodes) // nodes do not march in step
			for {
				select {
				case <-ctx.Done():
					return
				case <-timer.C:
					renew(n)
					timer.Reset(ttl / 3)
				}
			}
		})
	}
	cpu, began := cpuTime(), time.Now()
	return func() {
		cancel()
		running.Wait()
		used := (cpuTime() - cpu).Seconds() / time.Since(began).Seconds()
		report(r.t, "renewals", "%d requests of up to %d terms: p50 %v, p99 %v; %.0f %% of a core, whole process", len(took), len(r.made)/nodes+1,
			percentile(took, 50), percentile(took, 99), 100*used)
	}
}

// watchAll opens watches on everything and measures when the last has a change.
func (r *replica) watchAll(open int) {
	const changes = 20
	before := heap()
	ctx, stop := context.WithCancel(r.t.Context())
	var watching sync.WaitGroup
	var synced, told atomic.Int64
	all := make(chan struct{}, changes)
	ready := make(chan struct{})
	for range open {
		watching.Go(func() {
			for e, err := range r.Watch(ctx, api.WatchRequest{Prefix: edgeName(0)}) {
				switch {
				case err != nil:
					return
				case e.Type == api.EventSync:
					if synced.Add(1) == int64(open) {
						close(ready)
					}
				case e.Type == api.EventChange:
					if told.Add(1)%int64(open) == 0 {
						all <- struct{}{}
					}
				}
			}
		})
	}
	<-ready
	report(r.t, "watches", "%d open, %d bytes each", open, perEach(heap()-min(before, heap()), open))
	edge, _ := r.State().Edge(edgeName(0))
	revision := edge.Revision
	var took []time.Duration
	for i := range changes {
		revision = r.take(0, revision, 1+i)
		committed := time.Now()
		<-all
		took = append(took, time.Since(committed))
	}
	report(r.t, "watches", "last told %v (p50), %v (worst) after the change was answered", percentile(took, 50), percentile(took, 100))
	stop()
	watching.Wait()
}

func percentile(took []time.Duration, p int) time.Duration {
	slices.Sort(took)
	return took[(len(took)-1)*p/100].Round(10 * time.Microsecond)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
