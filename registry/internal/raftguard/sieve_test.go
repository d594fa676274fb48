package raftguard

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// upTo10 has entries up to 10, of which those up to 7 are in a snapshot only.
type upTo10 struct{}

func (upTo10) Holds(index, term uint64) bool { return index <= 10 && term == 2 }

func (upTo10) Compacted(index uint64) (end, term uint64, ok bool) { return 7, 2, index <= 7 }

// A snapshot of what the log has is answered, read to its end, and never seen by raft; any other request is raft's.
func TestASnapshotOfWhatTheLogHasIsNotInstalled(t *testing.T) {
	from := make(chan raft.RPC)
	s := newSieve(from, upTo10{})
	defer s.close()
	for _, c := range []struct {
		index, term uint64
		kept        bool
	}{{10, 2, true}, {11, 2, false}, {10, 3, false}} {
		answer := make(chan raft.RPCResponse, 1)
		body := strings.NewReader("snapshot")
		from <- raft.RPC{Command: &raft.InstallSnapshotRequest{Term: 5, LastLogIndex: c.index, LastLogTerm: c.term}, Reader: body, RespChan: answer}
		if !c.kept {
			rpc := <-s.to
			require.Equal(t, c.index, rpc.Command.(*raft.InstallSnapshotRequest).LastLogIndex)
			rpc.Respond(nil, errRefused)
			require.ErrorIs(t, (<-answer).Error, errRefused)
			continue
		}
		response := (<-answer).Response.(*raft.InstallSnapshotResponse)
		require.True(t, response.Success)
		require.Equal(t, uint64(5), response.Term)
		require.Zero(t, body.Len())
	}
	from <- raft.RPC{Command: &raft.AppendEntriesRequest{Term: 7}}
	require.Equal(t, uint64(7), (<-s.to).Command.(*raft.AppendEntriesRequest).Term)
}

// growing has what raft has stored so far.
type growing struct {
	upTo10
	last atomic.Uint64
}

func (g *growing) Holds(index, _ uint64) bool { return index <= g.last.Load() }

// A snapshot comes while raft stores entries of a message before it: with those the log has all that is in it.
func TestASnapshotWaitsForWhatIsBeingStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := make(chan raft.RPC, 2) // the network may be ahead
		log := new(growing)
		s := newSieve(from, log)
		defer s.close()
		from <- raft.RPC{Command: new(raft.AppendEntriesRequest), RespChan: make(chan raft.RPCResponse, 1)}
		answer := make(chan raft.RPCResponse, 1)
		from <- raft.RPC{Command: &raft.InstallSnapshotRequest{LastLogIndex: 10}, RespChan: answer}
		storing := <-s.to
		synctest.Wait()
		require.Empty(t, answer)
		log.last.Store(12)
		storing.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
		require.True(t, (<-answer).Response.(*raft.InstallSnapshotResponse).Success)
	})
}

// What the snapshot has is cut off an append, and raft is not asked for the entry before; unless it is not the same entry.
func TestAnAppendBehindTheSnapshotNeedsNoEntryBefore(t *testing.T) {
	from := make(chan raft.RPC)
	s := newSieve(from, upTo10{})
	defer s.close()
	for name, c := range map[string]struct {
		prev, term, last uint64 // as sent
		wantPrev, first  uint64 // as raft sees it; first 0: no entries
	}{
		"behind it":               {7, 2, 9, 0, 8},
		"behind it, with nothing": {7, 2, 7, 0, 0},
		"from before it":          {5, 2, 9, 0, 8},
		"only what it has":        {5, 2, 7, 0, 0},
		"ends before it does":     {4, 2, 6, 4, 5},
		"of another term":         {7, 1, 9, 7, 8},
		"in another term":         {5, 3, 9, 5, 6},
		"the log has it":          {8, 2, 9, 8, 9},
		"a heartbeat":             {0, 0, 0, 0, 0},
	} {
		request := appended(c.term, c.prev, entries(c.term, c.prev+1, c.last)...)
		request.PrevLogTerm, request.LeaderCommitIndex = c.term, 20
		from <- raft.RPC{Command: request, RespChan: make(chan raft.RPCResponse, 1)}
		rpc := <-s.to
		got := rpc.Command.(*raft.AppendEntriesRequest)
		rpc.Respond(new(raft.AppendEntriesResponse), nil)
		require.Equal(t, c.wantPrev, got.PrevLogEntry, name)
		commit := uint64(20)
		if c.prev > 0 && c.wantPrev == 0 {
			commit = c.last // raft would commit all that its log has, also what follows and nobody has compared
		}
		require.Equal(t, commit, got.LeaderCommitIndex, name)
		if c.first == 0 {
			require.Empty(t, got.Entries, name)
		} else {
			require.Equal(t, entries(c.term, c.first, c.last), got.Entries, name)
		}
	}
}
