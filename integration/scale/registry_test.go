//go:build unix

package scale_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node/leaselog"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// nodes is how many simulated nodes hold the rings and renew their leases.
const nodes = 1000

// ttl is the term of all leases and sessions.
const ttl = 10 * time.Second

// replica is a registry of one voter with its lease time, on a disk. The state machine, the log and the snapshots are
// what every replica of a larger group has.
type replica struct {
	*registry.Registry
	t      testing.TB
	dir    string
	keeper *leasebroker.Runner
	made   []atomic.Bool // by edge: it has a ring that its node renews
}

func openReplica(t testing.TB, dir string) *replica {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &replica{t: t, dir: dir}
	r.Registry, err = registry.New(registry.Config{
		NodeID: "n0", Address: listener.Addr().String(), DataDir: dir, Layer: layer{listener}, Logger: slog.New(slog.DiscardHandler),
		Heartbeat: time.Second, Election: time.Second, Fatal: func(err error) { panic(err) },
	})
	require.NoError(t, err)
	r.keeper, err = leasebroker.New(leasebroker.Config{Registry: r, Now: boottime.Now, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r.OnApply(func(index, term uint64, c state.Command, result state.Result) {
		a := leaselog.Applied(index, term, c, result)
		a.At = boottime.Now()
		r.keeper.Applied(a)
	})
	news := r.Leadership()
	require.NoError(t, r.Open())
	require.NoError(t, r.keeper.Open())
	if has, err := r.HasState(); err == nil && !has {
		require.NoError(t, r.Bootstrap([]registry.Peer{{ID: "n0", Address: listener.Addr().String()}}))
	}
	lead := <-news
	require.True(t, lead.Leads)
	r.keeper.Lead(lead.Term, func() leasebroker.Snapshot { return leaselog.Snapshot(r.State()) })
	return r
}

func (r *replica) close() {
	require.NoError(r.t, r.keeper.Close())
	require.NoError(r.t, r.Close())
}

// Confirm, ProposeAllowance and ProposeExpire are leasebroker.Registry's.
func (r *replica) Confirm(ctx context.Context, _ uint64) error { return r.VerifyLeader(ctx) }

func (r *replica) ProposeAllowance(ctx context.Context, term uint64, seen []leasebroker.Seen) error {
	_, err := r.Apply(ctx, leaselog.Allowance(term, seen))
	return err
}

func (r *replica) ProposeExpire(ctx context.Context, term uint64, seen []leasebroker.Seen) error {
	for _, s := range seen {
		if s.Key.Lease == "" || s.Key.Lease >= leaseID(1, 0) { // edge 0's are nobody's to renew
			r.t.Errorf("the term of a holder who renews has run out: %v", s.Key)
		}
	}
	_, err := r.Apply(ctx, leaselog.Expire(term, seen))
	return err
}

type layer struct{ net.Listener }

func (l layer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(address), timeout)
}

func nodeID(n int) locator.NodeID        { return locator.NodeID(fmt.Sprintf("node-%04d", n)) }
func sessionID(n int) lease.SessionID    { return lease.SessionID(fmt.Sprintf("session-%04d", n)) }
func edgeName(n int) string              { return fmt.Sprintf("pipeline-%05d.stage-%d", n/4, n%4) }
func leaseID(n, generation int) lease.ID { return lease.ID(fmt.Sprintf("%026d", n*64+generation)) }

// furnish registers the nodes, each with a session.
func (r *replica) furnish() {
	inParallel(nodes, func(n int) {
		registered, err := r.Apply(r.t.Context(), state.RegisterNode{
			Node: nodeID(n), Name: string(nodeID(n)), Zone: fmt.Sprint("zone-", n%3), Address: fmt.Sprintf("10.0.%d.%d:7400", n/250, n%250),
			Memory: 1 << 40, Version: "scale",
		})
		require.NoError(r.t, err)
		_, err = r.Apply(r.t.Context(), state.OpenSession{
			Session: sessionID(n), Stage: fmt.Sprint("stage-", n), Node: nodeID(n), Incarnation: registered.Node.Incarnation, PID: 1, TTL: ttl,
		})
		require.NoError(r.t, err)
	})
}

// take makes node n's session the producer of an edge whose ring lies there.
func (r *replica) take(edge int, expect api.Revision, generation int) api.Revision {
	n := edge % nodes
	result, err := r.Apply(r.t.Context(), state.ChangeEdges{
		Op: fmt.Sprint("op-", edge, "-", generation), Session: sessionID(n), Reason: api.ReasonTakeover, TTL: ttl, Edges: []state.EdgeChange{{
			Name: edgeName(edge), Expect: expect, TakeProducer: true, ProducerStage: fmt.Sprint("stage-", n), Codec: "abcdef", Capacity: 1 << 20,
			Lease: leaseID(edge, generation), Node: nodeID(n),
		}},
	})
	require.NoError(r.t, err)
	return result.Edges[0].Revision
}

// inParallel calls f for 0 to n-1, from as many goroutines as keep Raft's batches full.
func inParallel(n int, f func(int)) {
	const workers = 256
	var running sync.WaitGroup
	for w := range workers {
		running.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	running.Wait()
}

// heap returns the bytes that are reachable.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
