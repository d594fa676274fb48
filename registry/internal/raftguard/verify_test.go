package raftguard

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/rounds"
)

// late is a transport that can keep the answer to a heartbeat back, as a socket's buffer does while the process that should read
// it is stopped, and can be cut off.
type late struct {
	*raft.InmemTransport
	mu   sync.Mutex
	hold chan struct{} // not nil: answers wait until it is closed
	held chan struct{} // one is sent for each answer that waits
	cut  bool
}

func (l *late) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	l.mu.Lock()
	cut := l.cut
	l.mu.Unlock()
	if cut {
		return errors.New("cut off")
	}
	err := l.InmemTransport.AppendEntries(id, target, args, resp)
	l.mu.Lock()
	hold := l.hold
	l.mu.Unlock()
	if hold != nil && err == nil && len(args.Entries) == 0 && args.PrevLogEntry == 0 {
		l.held <- struct{}{}
		<-hold
	}
	return err
}

func (l *late) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

func startRaft(t *testing.T, id raft.ServerID, trans raft.Transport, heartbeat time.Duration, all raft.Configuration) *raft.Raft {
	c := raft.DefaultConfig()
	c.LocalID, c.Logger = id, Logger(slog.New(slog.DiscardHandler))
	c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = heartbeat, heartbeat, heartbeat
	store := raft.NewInmemStore()
	snapshots := raft.NewInmemSnapshotStore()
	require.NoError(t, raft.BootstrapCluster(c, store, store, snapshots, trans, all))
	r, err := raft.NewRaft(c, &raft.MockFSM{}, store, store, snapshots, trans)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Shutdown().Error()) })
	return r
}

// Raft's VerifyLeader says yes to a leader that was deposed before it asked, because of an answer to a heartbeat from before
// that. The pulse says no. (The old leader's long timeouts stand for a process that was stopped: its timers have not run.)
func TestVerifyLeaderBelievesOldAnswers(t *testing.T) {
	var all raft.Configuration
	transports := map[raft.ServerID]*raft.InmemTransport{}
	for _, id := range []raft.ServerID{"old", "a", "b"} {
		address, trans := raft.NewInmemTransport(raft.ServerAddress(id))
		transports[id] = trans
		all.Servers = append(all.Servers, raft.Server{ID: id, Address: address})
	}
	for _, from := range transports {
		for _, to := range transports {
			from.Connect(to.LocalAddr(), to)
		}
	}
	slow := &late{InmemTransport: transports["old"], held: make(chan struct{}, 100)}
	old := startRaft(t, "old", slow, time.Minute, all)
	// The followers come when their leader is elected by a message, so that nobody else has been.
	a := startRaft(t, "a", transports["a"], 500*time.Millisecond, all)
	b := startRaft(t, "b", transports["b"], 500*time.Millisecond, all)
	for old.State() != raft.Leader {
		request := raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}}
		require.NoError(t, transports["a"].TimeoutNow("old", "old", &request, new(raft.TimeoutNowResponse)))
		require.Eventually(t, func() bool { return old.State() != raft.Candidate }, 10*time.Second, time.Millisecond)
	}
	require.NoError(t, old.Barrier(time.Minute).Error())
	term := old.CurrentTerm()

	buffered := make(chan struct{})
	release := sync.OnceFunc(func() { close(buffered) })
	t.Cleanup(release) // before raft is shut down, which waits for it
	slow.mu.Lock()
	slow.hold = buffered
	slow.mu.Unlock()
	_ = old.VerifyLeader() // makes it send a heartbeat to each now; their answers stay in the buffer
	<-slow.held
	slow.mu.Lock()
	slow.cut = true
	slow.mu.Unlock()
	transports["a"].Disconnect("old")
	transports["b"].Disconnect("old")
	require.Eventually(t, func() bool { return a.State() == raft.Leader || b.State() == raft.Leader }, time.Minute, time.Millisecond)
	require.Equal(t, raft.Leader, old.State(), "it knows nothing of that")

	asked := old.VerifyLeader() // after it was deposed
	time.AfterFunc(10*time.Millisecond, release)
	require.NoError(t, asked.Error(), "raft has mended it: the pulse is not needed any more")

	p := &pulse{self: "old", send: transports["old"].AppendEntries, peers: map[raft.Server]*rounds.Rounds[uint64]{}}
	p.header = raft.RPCHeader{ProtocolVersion: 3, ID: []byte("old"), Addr: []byte("old")}
	p.life, p.end = context.WithCancel(t.Context())
	require.ErrorIs(t, p.quorum(t.Context(), term, all.Servers), ErrNoMajority)
	p.stop()
	p.wait()
}
