package raftguard

import (
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// A follower that has more than raft knows is asked, not sent it again, and not wiped with a snapshot of what it has.
func TestWhatAFollowerHasIsAskedFor(t *testing.T) {
	h := &herald{peers: map[raft.ServerID]*follower{}, stopped: true}
	h.matched("f", "a:1", &raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 7, PrevLogTerm: 2, Entries: []*raft.Log{{Index: 8, Term: 3}, {Index: 9, Term: 3}}})
	h.committed(8, 3)

	q, ok := h.question("f", 3, 9)
	require.True(t, ok)
	require.Empty(t, q.Entries)
	require.Equal(t, []uint64{3, 9, 3, 8}, []uint64{q.Term, q.PrevLogEntry, q.PrevLogTerm, q.LeaderCommitIndex})
	for name, ask := range map[string]struct {
		id          raft.ServerID
		term, index uint64
	}{"beyond what it has": {"f", 3, 10}, "in another term": {"f", 4, 8}, "of somebody else": {"g", 3, 8}, "of nobody's term": {"f", 0, 0}} {
		_, ok := h.question(ask.id, ask.term, ask.index)
		require.False(t, ok, name)
	}
	h.forget("f") // it said no
	_, ok = h.question("f", 3, 8)
	require.False(t, ok)
}
