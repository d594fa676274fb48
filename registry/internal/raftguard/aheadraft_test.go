package raftguard_test

import (
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

// gatedLog is a log whose leader, from some time on, waits for a follower to store an entry before it stores it itself.
type gatedLog struct {
	raft.LogStore
	self      *raft.Raft
	transport *raftguard.Transport
	shared    *gate
}

type gate struct {
	mu     sync.Mutex
	closed bool
	stored map[uint64]chan struct{} // by index: closed when a follower has it
	late   atomic.Int32             // entries that no follower had in time
}

func (g *gate) at(index uint64) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stored[index] == nil {
		g.stored[index] = make(chan struct{})
	}
	return g.stored[index]
}

func (g *gate) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

func (l *gatedLog) StoreLog(log *raft.Log) error { return l.StoreLogs([]*raft.Log{log}) }

func (l *gatedLog) StoreLogs(logs []*raft.Log) error {
	if !l.shared.isClosed() {
		return l.LogStore.StoreLogs(logs)
	}
	if l.self.State() == raft.Leader {
		l.transport.Storing(logs)
		for _, log := range logs {
			select {
			case <-l.shared.at(log.Index):
			case <-time.After(time.Second): // raft is left alone after a pause, as on a machine that is too busy
				l.shared.late.Add(1)
			}
		}
		return l.LogStore.StoreLogs(logs)
	}
	for _, log := range logs {
		stored := l.shared.at(log.Index)
		select {
		case <-stored:
		default:
			close(stored)
		}
	}
	return l.LogStore.StoreLogs(logs)
}

type nothing struct{}

func (nothing) Apply(*raft.Log) any                 { return nil }
func (nothing) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }
func (nothing) Restore(r io.ReadCloser) error       { return r.Close() }

// With raft's own order, the leader's disk first, no entry would be in time.
func TestFollowersStoreWhileTheLeaderDoes(t *testing.T) {
	g := &gate{stored: map[uint64]chan struct{}{}}
	ids := []raft.ServerID{"a", "b"} // both must store an entry: no second follower's race
	var servers []raft.Server
	var logs []*gatedLog
	for _, id := range ids {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		tr := raftguard.NewTransport(raftguard.TransportConfig{
			Layer: loopback{l}, Self: id, Address: l.Addr().String(), Cluster: func() string { return "" }, Strict: func() bool { return false },
			Heartbeat: time.Second, Logger: slog.New(slog.DiscardHandler),
		})
		logs = append(logs, &gatedLog{LogStore: raft.NewInmemStore(), transport: tr, shared: g})
		servers = append(servers, raft.Server{ID: id, Address: raft.ServerAddress(l.Addr().String())})
	}
	for i, log := range logs {
		c := raft.DefaultConfig()
		c.LocalID, c.Logger = servers[i].ID, raftguard.Logger(slog.New(slog.DiscardHandler))
		snapshots := raft.NewInmemSnapshotStore()
		stable := raft.NewInmemStore()
		require.NoError(t, raft.BootstrapCluster(c, log, stable, snapshots, log.transport, raft.Configuration{Servers: servers}))
		r, err := raft.NewRaft(c, nothing{}, log, stable, snapshots, log.transport)
		require.NoError(t, err)
		log.self = r
		t.Cleanup(func() { require.NoError(t, r.Shutdown().Error()) })
	}
	var leader *raft.Raft
	require.Eventually(t, func() bool {
		for _, log := range logs {
			if log.self.State() == raft.Leader {
				leader = log.self
			}
		}
		return leader != nil && leader.Apply([]byte("warm"), 0).Error() == nil
	}, time.Minute, 10*time.Millisecond)
	require.NoError(t, leader.Barrier(0).Error())
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	for range 50 {
		require.NoError(t, leader.Apply([]byte("x"), 0).Error())
	}
	g.mu.Lock()
	g.closed = false
	g.mu.Unlock()
	require.Less(t, g.late.Load(), int32(25))
}
