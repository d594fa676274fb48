package raftguard

import (
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// A snapshot of what the log has is answered, read to its end, and never seen by raft; any other request is raft's.
func TestASnapshotOfWhatTheLogHasIsNotInstalled(t *testing.T) {
	from := make(chan raft.RPC)
	s := newSieve(from, func(index, term uint64) bool { return index <= 10 && term == 2 })
	defer s.close()
	for _, c := range []struct {
		index, term uint64
		kept        bool
	}{{10, 2, true}, {11, 2, false}, {10, 3, false}} {
		answer := make(chan raft.RPCResponse, 1)
		body := strings.NewReader("snapshot")
		from <- raft.RPC{Command: &raft.InstallSnapshotRequest{Term: 5, LastLogIndex: c.index, LastLogTerm: c.term}, Reader: body, RespChan: answer}
		if !c.kept {
			require.Equal(t, c.index, (<-s.to).Command.(*raft.InstallSnapshotRequest).LastLogIndex)
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
