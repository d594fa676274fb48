package raftguard_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// TestATransferThatNeverEnds
		goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*Raft).leadershipTransfer"),
		goleak.IgnoreAnyFunction("github.com/hashicorp/raft.(*Raft).leaderLoop.func2"),
	)
}

type loopback struct{ net.Listener }

func (loopback) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(address), timeout)
}

func transport(t *testing.T) *raftguard.Transport {
	return clusterTransport(t, "", false, slog.New(slog.DiscardHandler))
}

func clusterTransport(t *testing.T, cluster string, strict bool, logger *slog.Logger) *raftguard.Transport {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	tr := raftguard.NewTransport(raftguard.TransportConfig{
		Layer: loopback{l}, Self: "self", Address: l.Addr().String(), Heartbeat: time.Second, Logger: logger,
		Cluster: func() string { return cluster }, Strict: func() bool { return strict },
	})
	t.Cleanup(func() { require.NoError(t, tr.Close()) })
	return tr
}

// hashicorp/raft#695: heartbeats must wait in line with all other messages. If raft finds another way to install its fast path,
// or the transport another way to take it, this fails.
func TestHeartbeatsHaveNoFastPath(t *testing.T) {
	tr := transport(t)
	tr.SetHeartbeatHandler(func(raft.RPC) { t.Error("a heartbeat was handled beside the main loop") })
	field := reflect.ValueOf(tr.NetworkTransport).Elem().FieldByName("heartbeatFn")
	require.True(t, field.IsValid(), "raft has renamed the field that this test looks at")
	require.True(t, field.IsNil())

	other := transport(t)
	heartbeat := &raft.AppendEntriesRequest{Term: 1, RPCHeader: raft.RPCHeader{ProtocolVersion: 3, Addr: []byte("x")}}
	answered := make(chan error, 1)
	go func() {
		var resp raft.AppendEntriesResponse
		answered <- other.AppendEntries("self", tr.LocalAddr(), heartbeat, &resp)
	}()
	rpc := <-tr.Consumer()
	require.IsType(t, heartbeat, rpc.Command)
	rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
	require.NoError(t, <-answered)
}

// A node that was wiped and started again at its old address is another server. If it answered for the one that was there, it
// would vote without knowing what that one had promised, and an entry that both of them had made durable could be lost.
func TestNobodyAnswersForAnotherServer(t *testing.T) {
	tr, other := transport(t), transport(t)
	header := raft.RPCHeader{ProtocolVersion: 3, Addr: []byte("x")}
	for name, send := range map[string]func(raft.ServerID) error{
		"append": func(id raft.ServerID) error {
			return other.AppendEntries(id, tr.LocalAddr(), &raft.AppendEntriesRequest{Term: 1, RPCHeader: header}, new(raft.AppendEntriesResponse))
		},
		"vote": func(id raft.ServerID) error {
			return other.RequestVote(id, tr.LocalAddr(), &raft.RequestVoteRequest{Term: 1, RPCHeader: header}, new(raft.RequestVoteResponse))
		},
		"pre-vote": func(id raft.ServerID) error {
			return other.RequestPreVote(id, tr.LocalAddr(), &raft.RequestPreVoteRequest{Term: 1, RPCHeader: header}, new(raft.RequestPreVoteResponse))
		},
		"timeout": func(id raft.ServerID) error {
			return other.TimeoutNow(id, tr.LocalAddr(), &raft.TimeoutNowRequest{RPCHeader: header}, new(raft.TimeoutNowResponse))
		},
		"snapshot": func(id raft.ServerID) error {
			r := &raft.InstallSnapshotRequest{Term: 1, RPCHeader: header}
			return other.InstallSnapshot(id, tr.LocalAddr(), r, new(raft.InstallSnapshotResponse), strings.NewReader(""))
		},
	} {
		t.Run(name, func(t *testing.T) {
			stop := make(chan struct{})
			var answering sync.WaitGroup
			answering.Go(func() {
				for {
					select {
					case rpc := <-tr.Consumer():
						rpc.Respond(nil, errors.New("heard"))
					case <-stop:
						return
					}
				}
			})
			require.ErrorContains(t, send("self"), "heard")
			err := send("who was here before")
			close(stop)
			answering.Wait()
			require.Error(t, err)
			require.NotContains(t, err.Error(), "heard")
		})
	}
}

// hashicorp/raft#612.
func TestNothingIsPipelined(t *testing.T) {
	tr := transport(t)
	_, err := tr.AppendEntriesPipeline("a", tr.LocalAddr())
	require.ErrorIs(t, err, raft.ErrPipelineReplicationNotSupported)
}

func TestTransportKeepsPreVotes(t *testing.T) {
	var tr any = transport(t)
	require.Implements(t, (*raft.WithPreVote)(nil), tr)
	require.Implements(t, (*raft.WithClose)(nil), tr)
}

func TestLoggerPassesLevelsAndArguments(t *testing.T) {
	var out bytes.Buffer
	l := raftguard.Logger(slog.New(slog.NewTextHandler(&out, nil)))
	l.Info("quiet")
	l.Named("x").With("peer", "p").Error("failed", "error", errors.New("why"), "n", hclog.Fmt("%03d", 7))
	require.NotContains(t, out.String(), "quiet")
	require.Contains(t, out.String(), "level=ERROR msg=failed peer=p error=why n=007")
	require.True(t, l.IsWarn())
	require.False(t, l.IsDebug())
}
