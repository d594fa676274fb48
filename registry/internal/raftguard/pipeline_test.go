package raftguard

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hiccup is a follower that has everything, except that its disk, as it says, fails now and then.
type hiccup struct {
	appends atomic.Uint64 // with entries
	beats   atomic.Uint64
}

func (h *hiccup) answer(from <-chan raft.RPC, stop <-chan struct{}) {
	for {
		select {
		case rpc := <-from:
			request, ok := rpc.Command.(*raft.AppendEntriesRequest)
			if !ok {
				rpc.Respond(nil, errRefused)
				continue
			}
			response := &raft.AppendEntriesResponse{Term: request.Term, Success: true}
			response.LastLog, _ = end(request)
			if len(request.Entries) == 0 {
				h.beats.Add(1)
			} else if h.appends.Add(1)%10 == 0 {
				response.Success, response.LastLog = false, request.PrevLogEntry
			}
			rpc.Respond(response, nil)
		case <-stop:
			return
		}
	}
}

const starvedVariable = "RAFTGUARD_STARVED"

// hashicorp/raft#612. A follower that refuses an append while others are on their way is sent heartbeats from then on, and never an
// entry, until its leader is another. That leader cannot even be shut down, so it is another process.
func TestAPipelineStarvesAFollower(t *testing.T) {
	t.Run("raft alone", func(t *testing.T) {
		if os.Getenv(starvedVariable) == "" {
			child := exec.Command(os.Args[0], "-test.run=^TestAPipelineStarvesAFollower$/^raft_alone$")
			child.Env = append(os.Environ(), starvedVariable+"=1")
			said, err := child.CombinedOutput()
			require.NoError(t, err, "%s", said)
			require.Contains(t, string(said), "starved")
			return
		}
		writes, h := leaderOfHiccup(t, 2)
		for !starves(t, writes, h) {
		}
		require.True(t, starves(t, writes, h))
		beats := h.beats.Load()
		require.Eventually(t, func() bool { return h.beats.Load() > beats }, time.Minute, time.Millisecond)
		fmt.Println("starved")
		os.Exit(0)
	})
	t.Run("guarded", func(t *testing.T) {
		writes, h := leaderOfHiccup(t, 1)
		for range 3 {
			require.False(t, starves(t, writes, h))
		}
	})
}

// starves reports that writes go on for a second and that the follower hears of none.
func starves(t *testing.T, r *raft.Raft, h *hiccup) bool {
	before := h.appends.Load()
	var writing sync.WaitGroup
	for range 4 { // so that there is always something to send
		writing.Go(func() {
			for began := time.Now(); time.Since(began) < time.Second; {
				assert.NoError(t, r.Apply([]byte("x"), time.Minute).Error())
			}
		})
	}
	writing.Wait()
	return h.appends.Load() == before
}

// leaderOfHiccup starts a leader on raft's own transport. Its follower has no vote.
func leaderOfHiccup(t *testing.T, inFlight int) (*raft.Raft, *hiccup) {
	network := func() *raft.NetworkTransport {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		n := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
			Stream: dialled{l}, MaxPool: 3, MaxRPCsInFlight: inFlight, Timeout: 10 * time.Second, Logger: Logger(slog.New(slog.DiscardHandler)),
		})
		t.Cleanup(func() { n.CloseStreams(); n.Close() })
		return n
	}
	leads, follows := network(), network()
	h, stop := new(hiccup), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { h.answer(follows.Consumer(), stop) })
	t.Cleanup(func() { close(stop); running.Wait() })
	r := startRaft(t, "a", leads, 300*time.Millisecond, raft.Configuration{Servers: []raft.Server{
		{ID: "a", Address: leads.LocalAddr()}, {ID: "x", Address: follows.LocalAddr(), Suffrage: raft.Nonvoter},
	}})
	require.Eventually(t, func() bool { return r.State() == raft.Leader }, time.Minute, time.Millisecond)
	return r, h
}
