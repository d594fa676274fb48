package raftguard

import (
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// What hashicorp/raft does without the guards. A test here that fails says that a fault has been mended, and which guard may go.

// fast lets raft have its fast path.
type fast struct{ *Transport }

func (f fast) SetHeartbeatHandler(handler func(raft.RPC)) {
	f.NetworkTransport.SetHeartbeatHandler(handler)
}

// hashicorp/raft#695. A leader waits for something to do when the heartbeat of a later term's leader is handled beside it. What it is
// given next it stores as an entry of that term, at an index at which that term's leader may have another.
func TestTheFastPathStoresUnderATermThatIsNotItsOwn(t *testing.T) {
	t.Run("raft alone", func(t *testing.T) {
		f := leading(t, func(t *Transport) raft.Transport { return fast{t} })
		for !f.storesForeign() { // once it is quick enough
		}
	})
	t.Run("guarded", func(t *testing.T) {
		f := leading(t, func(t *Transport) raft.Transport { return t })
		for range 10 {
			require.False(t, f.storesForeign())
		}
	})
}

// leading returns a raft that is a group of its own.
func leading(t *testing.T, transport func(*Transport) raft.Transport) *followed {
	f := &followed{t: t, dir: t.TempDir(), kind: KindWAL, fatal: make(chan error, 1), from: listening(t, nil)}
	t.Cleanup(func() { f.from.Close() })
	f.open(true, func(s *Store) raft.LogStore { return s }, transport)
	t.Cleanup(f.close)
	alone := raft.Configuration{Servers: []raft.Server{{ID: "f", Address: f.self.LocalAddr()}}}
	require.NoError(t, f.raft.BootstrapCluster(alone).Error())
	return f
}

// storesForeign has f lead, and then hear of a later leader and be given something. It reports whether f has stored that as the other's.
func (f *followed) storesForeign() bool {
	request := &raft.TimeoutNowRequest{RPCHeader: f.header()}
	require.NoError(f.t, f.from.TimeoutNow("f", f.self.address, request, new(raft.TimeoutNowResponse)))
	require.Eventually(f.t, func() bool { return f.raft.State() == raft.Leader }, time.Minute, time.Millisecond)
	require.NoError(f.t, f.raft.Barrier(time.Minute).Error())
	led := f.raft.CurrentTerm()
	heartbeat := &raft.AppendEntriesRequest{RPCHeader: f.header(), Term: led + 6}
	require.NoError(f.t, f.from.named.AppendEntries("f", f.self.address, heartbeat, new(raft.AppendEntriesResponse)))
	_ = f.raft.Apply([]byte("x"), time.Second).Error()
	last, err := f.store.LastIndex()
	require.NoError(f.t, err)
	var entry raft.Log
	require.NoError(f.t, f.store.GetLog(last, &entry))
	return entry.Term > led
}

// loose says of a store that it may have gaps, as raft-boltdb does.
type loose struct{ raft.LogStore }

// hashicorp/raft#697. A follower has entries that are not the cluster's, beyond the snapshot that it is sent. Raft alone keeps
// them, compares what comes next with them, and refuses it; no restart mends that. With a log that may have no gaps it throws them
// away, but knows it only after a restart, so the store ends the process.
func TestForeignEntriesAreKeptForEver(t *testing.T) {
	for name, c := range map[string]struct {
		logs func(*Store) raft.LogStore
		ends bool
	}{
		"raft alone": {func(s *Store) raft.LogStore { return loose{s} }, false},
		"guarded":    {func(s *Store) raft.LogStore { return s }, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &followed{t: t, dir: t.TempDir(), kind: KindBolt, fatal: make(chan error, 1), from: listening(t, nil)}
			t.Cleanup(func() { f.from.Close() })
			transport := func(t *Transport) raft.Transport { return t }
			f.open(true, c.logs, transport)
			require.True(t, f.appendOf(1, 1, 12))
			for range 3 {
				f.install(10, 2)
				require.False(t, f.append(11, 11), "raft has mended it")
			}
			if require.Equal(t, c.ends, len(f.fatal) == 1); c.ends {
				require.ErrorIs(t, <-f.fatal, ErrForeign)
			}
			f.close()
			f.open(true, c.logs, transport)
			t.Cleanup(f.close)
			f.install(10, 2)
			require.Equal(t, c.ends, f.append(11, 11))
		})
	}
}

// together starts servers on transports that may reach each other, and has the first elected.
func together(t *testing.T, wrap func(*raft.InmemTransport) raft.Transport, ids ...raft.ServerID) (map[raft.ServerID]*raft.Raft, map[raft.ServerID]*raft.InmemTransport) {
	var all raft.Configuration
	transports := map[raft.ServerID]*raft.InmemTransport{}
	for _, id := range ids {
		address, transport := raft.NewInmemTransport(raft.ServerAddress(id))
		transports[id] = transport
		all.Servers = append(all.Servers, raft.Server{ID: id, Address: address})
	}
	for _, from := range transports {
		for _, to := range transports {
			from.Connect(to.LocalAddr(), to)
		}
	}
	rafts := map[raft.ServerID]*raft.Raft{}
	for _, id := range ids {
		rafts[id] = startRaft(t, id, wrap(transports[id]), 300*time.Millisecond, all)
	}
	elect(t, rafts[ids[0]], transports[ids[1]], ids[0])
	return rafts, transports
}

// elect has a server lead.
func elect(t *testing.T, r *raft.Raft, by *raft.InmemTransport, id raft.ServerID) {
	require.Eventually(t, func() bool {
		if r.State() == raft.Leader {
			return true
		}
		request := raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}}
		_ = by.TimeoutNow(id, raft.ServerAddress(id), &request, new(raft.TimeoutNowResponse))
		return false
	}, time.Minute, 100*time.Millisecond)
}

// A node that was cut off and comes back deposes a leader who lacks nothing, unless raft can see that the transport has pre-votes.
func TestWithoutPreVotesWhoComesBackDeposesTheLeader(t *testing.T) {
	for name, wrap := range map[string]func(*raft.InmemTransport) raft.Transport{
		"raft alone": func(i *raft.InmemTransport) raft.Transport { return struct{ raft.Transport }{i} }, // hides the rest of its methods
		"guarded":    func(i *raft.InmemTransport) raft.Transport { return i },
	} {
		t.Run(name, func(t *testing.T) {
			rafts, transports := together(t, wrap, "a", "b", "c")
			for _, id := range []raft.ServerID{"a", "b"} {
				transports[id].Disconnect("c")
			}
			transports["c"].DisconnectAll()
			was := rafts["c"].CurrentTerm()
			if name == "guarded" {
				require.Eventually(t, func() bool { return rafts["c"].State() == raft.Candidate }, time.Minute, time.Millisecond)
				require.Equal(t, was, rafts["c"].CurrentTerm(), "asking beforehand costs no term")
				return // what happens at its return is registry.TestARejoiningNodeDeposesNobody
			}
			require.Eventually(t, func() bool { return rafts["c"].CurrentTerm() > was+2 }, time.Minute, time.Millisecond)
			for _, id := range []raft.ServerID{"a", "b"} {
				transports["c"].Connect(transports[id].LocalAddr(), transports[id])
				transports[id].Connect("c", transports["c"])
			}
			require.Eventually(t, func() bool { return rafts["a"].CurrentTerm() > was+2 }, time.Minute, time.Millisecond)
		})
	}
}

// stuck does not get through to one server.
type stuck struct {
	*late
	to raft.ServerID
}

func (s *stuck) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	s.mu.Lock()
	hold := s.hold
	s.mu.Unlock()
	if id == s.to && len(args.Entries) > 0 && hold != nil {
		select {
		case s.held <- struct{}{}:
		default: // said already
		}
		<-hold
	}
	return s.InmemTransport.AppendEntries(id, target, args, resp)
}

// handsOver has a hand over in vain that often, while it leads. It reports whether it still does.
func (s *stuck) handsOver(a *raft.Raft, times int) bool {
	if a.Apply([]byte("x"), time.Minute).Error() != nil {
		return false
	}
	<-s.held // else the first transfer, not the entry, may be what the replication is stuck in; then the next one ends
	for times > 0 {
		err := a.LeadershipTransferToServer(s.to, raft.ServerAddress(s.to)).Error()
		if err == nil || errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipLost) {
			return false
		}
		if !errors.Is(err, raft.ErrLeadershipTransferInProgress) {
			times-- // up
		}
	}
	return true
}

// hashicorp/raft#696. A leader hands over twice to a follower that does not get its entries, is deposed meanwhile, and elected
// again: it refuses every write, since the second transfer has never ended.
func TestATransferThatNeverEnds(t *testing.T) {
	s := &stuck{late: &late{held: make(chan struct{}, 1)}, to: "c"}
	rafts, transports := together(t, func(i *raft.InmemTransport) raft.Transport {
		if i.LocalAddr() != "a" {
			return i
		}
		s.InmemTransport = i
		return s
	}, "a", "b", "c")
	a := rafts["a"]
	require.NoError(t, a.Barrier(time.Minute).Error())
	hold := make(chan struct{})
	s.mu.Lock()
	s.hold = hold
	s.mu.Unlock()
	t.Cleanup(func() { close(hold) })
	for !s.handsOver(a, 2) {
		elect(t, a, transports["b"], "a") // this machine was too slow for it to stay
	}
	elect(t, rafts["b"], transports["a"], "b")
	elect(t, a, transports["b"], "a")
	require.Never(t, func() bool {
		return a.State() == raft.Leader && a.Apply([]byte("y"), time.Second).Error() == nil
	}, 3*time.Second, 100*time.Millisecond)
	require.Eventually(t, func() bool {
		elect(t, a, transports["b"], "a") // again, if this machine was too slow
		return errors.Is(a.Apply([]byte("y"), time.Second).Error(), raft.ErrLeadershipTransferInProgress)
	}, time.Minute, time.Millisecond)
}
