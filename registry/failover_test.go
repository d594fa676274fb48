package registry_test

import (
	"context"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// kill does to a member's sockets what the kernel does when its process dies: the listener goes, then every connection is reset.
func (m *member) kill() {
	_ = m.wire.Listener.Close()
	m.wire.mu.Lock()
	defer m.wire.mu.Unlock()
	m.wire.cut = true
	for c := range m.wire.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	m.wire.drop()
}

// patient is long enough to tell what is noticed at once from what is waited for.
const patient = 3 * time.Second

func longHeartbeat(cfg *registry.Config) { cfg.Heartbeat, cfg.Election = patient, patient }

// settled is a cluster of three that has voted, with its configuration known to all.
func settled(t testing.TB, tune func(*registry.Config)) *cluster {
	c := newCluster(t, 3, func(cfg *registry.Config) { cfg.Heartbeat, cfg.Election = time.Second, time.Second; tune(cfg) })
	r := c.apply(state.Nothing{})
	for _, m := range c.members {
		require.NoError(t, m.WaitApplied(c.within(), r.Revision))
	}
	return c
}

func TestADeadLeaderIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	c := settled(t, longHeartbeat)
	old := c.leader()
	began := time.Now()
	old.kill()
	next := c.successor(old)
	require.NoError(t, applyTo(c, next))
	require.Less(t, time.Since(began), patient, "Raft alone waits at least for the heartbeat timeout")
	require.Equal(t, uint64(1), next.Stats().Failover.Elections)
}

// Who founds a group, and who is alone in one, waits for nobody's silence.
func TestAFounderLeadsAtOnce(t *testing.T) {
	t.Parallel()
	never := func(cfg *registry.Config) { cfg.Heartbeat, cfg.Election = 2*patience, 2*patience }
	for _, size := range []int{1, 3} {
		c := newCluster(t, size, never)
		require.Same(t, c.members[0], c.leader())
		c.apply(state.Nothing{})
		if size == 1 {
			c.restart(c.members[0])
			c.leader()
		}
	}
}

// successor waits for another leader.
func (c *cluster) successor(of *member) *member {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		for _, m := range c.members {
			if m != of && m.IsLeader() {
				return m
			}
		}
	}
	c.t.Fatal("no other leader")
	return nil
}

func applyTo(c *cluster, m *member) error {
	_, err := m.Apply(c.within(), state.Nothing{})
	return err
}

// A leader that is cut off in a way that looks like its death to one follower, but not to the other, keeps its term: the one asks
// the other.
func TestAnotherOpinionIsAsked(t *testing.T) {
	t.Parallel()
	c := settled(t, longHeartbeat)
	leader, cutOff := c.leader(), c.followers()[0]
	term := leader.Term()
	cutOff.wire.refuse(leader.address)
	require.Eventually(t, func() bool {
		if cutOff.Stats().Failover.Doubted > 0 {
			return true
		}
		cutOff.wire.refuse(leader.address) // a busy machine may have let one connection slip through, or one probe take too long
		return false
	}, patience, time.Second)
	require.NoError(t, applyTo(c, leader))
	require.Equal(t, term, leader.Term())
	require.Zero(t, cutOff.Stats().Failover.Elections)
}

// Silence is no death: a leader that is stopped, and whose sockets live, keeps its term for as long as the heartbeat allows.
func TestConnectionsThatEndProveNothing(t *testing.T) {
	t.Parallel()
	c := settled(t, longHeartbeat)
	leader := c.leader()
	term := leader.Term()
	for range 20 {
		for _, m := range c.members {
			m.wire.mu.Lock()
			m.wire.drop() // all connections, again and again; the leader can be reached all the time
			m.wire.mu.Unlock()
		}
		_ = leader.Read(c.within(), api.Default) // it may have lost its connections again
	}
	require.Equal(t, term, leader.Term())
	for _, m := range c.followers() {
		require.Zero(t, m.Stats().Failover.Elections)
	}
}

// All cores taken, many times over, and writes going on: nobody is deposed by this. (By silence he may be: three nodes and all that
// is in their way share one process here.)
func TestABusyMachineLooksLikeNoDeath(t *testing.T) {
	c := settled(t, func(*registry.Config) {}) // the default heartbeat
	stop := make(chan struct{})
	var busy sync.WaitGroup
	for range 8 * runtime.GOMAXPROCS(0) {
		busy.Go(func() {
			for n := 0; ; n++ {
				if n%1000 == 0 {
					select {
					case <-stop:
						return
					default:
					}
				}
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		_, _ = c.leader().Apply(ctx, state.Nothing{})
	}
	close(stop)
	busy.Wait()
	for _, m := range c.members {
		require.Zero(t, m.Stats().Failover.Elections)
	}
}

// BenchmarkLeaderKilled measures how long nothing can be written when the leader dies.
func BenchmarkLeaderKilled(b *testing.B) {
	var gaps []time.Duration
	for b.Loop() {
		b.StopTimer()
		c := settled(b, func(*registry.Config) {})
		old := c.leader()
		b.StartTimer()
		began := time.Now()
		old.kill()
		require.NoError(b, applyTo(c, c.successor(old)))
		gaps = append(gaps, time.Since(began))
		b.StopTimer()
		c.close()
		b.StartTimer()
	}
	slices.Sort(gaps)
	b.ReportMetric(float64(gaps[len(gaps)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(gaps[len(gaps)-1].Milliseconds()), "worst-ms")
}

// A transfer came to nothing and refused a write meanwhile, and none was made since: what the next transfer refuses long after is no sign of one
// that never ends.
func TestTwoTransfersAreNotOneThatIsStuck(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, steady)
	leader, heir := c.leader(), c.followers()[0]
	leader.RefusedInTransfer(time.Hour)
	require.NoError(t, leader.Transfer(c.within(), heir.id))
	leader.RefusedInTransfer(0)
	require.Empty(t, leader.fatal)
}
