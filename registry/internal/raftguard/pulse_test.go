package raftguard

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/rounds"
)

// voter is a follower as a heartbeat finds it.
type voter struct {
	term uint64
	slow time.Duration
	gone bool
	got  []time.Time // when heartbeats were sent to it
}

type group struct {
	*pulse
	mu     sync.Mutex
	voters map[raft.ServerID]*voter
	all    []raft.Server
}

func newGroup(voters map[raft.ServerID]*voter) *group {
	g := &group{voters: voters, all: []raft.Server{{ID: "self"}}}
	g.pulse = &pulse{self: "self", send: g.answer, peers: map[raft.Server]*rounds.Rounds[uint64]{}}
	g.life, g.end = context.WithCancel(context.Background())
	for id := range voters {
		g.all = append(g.all, raft.Server{ID: id})
	}
	return g
}

func (g *group) answer(id raft.ServerID, _ raft.ServerAddress, req *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	g.mu.Lock()
	v := g.voters[id]
	v.got = append(v.got, time.Now())
	v.term = max(v.term, req.Term) // as it is when the heartbeat arrives; only the answer is slow
	resp.Term, resp.Success = v.term, v.term == req.Term
	gone, slow := v.gone, v.slow
	g.mu.Unlock()
	time.Sleep(slow)
	if gone {
		return errors.New("gone")
	}
	return nil
}

func TestQuorumCounts(t *testing.T) {
	for name, c := range map[string]struct {
		voters map[raft.ServerID]*voter
		why    error
	}{
		"alone":            {nil, nil},
		"all":              {map[raft.ServerID]*voter{"a": {}, "b": {}}, nil},
		"one gone":         {map[raft.ServerID]*voter{"a": {gone: true}, "b": {}}, nil},
		"one is elsewhere": {map[raft.ServerID]*voter{"a": {term: 9}, "b": {}}, nil},
		"both gone":        {map[raft.ServerID]*voter{"a": {gone: true}, "b": {gone: true}}, ErrNoMajority},
		"both elsewhere":   {map[raft.ServerID]*voter{"a": {term: 9}, "b": {term: 9}}, ErrNoMajority},
		"even":             {map[raft.ServerID]*voter{"a": {}, "b": {gone: true}, "c": {gone: true}}, ErrNoMajority},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGroup(c.voters)
				require.ErrorIs(t, g.quorum(t.Context(), 5, g.all), c.why)
				g.stop()
				g.wait()
			})
		})
	}
}

// An answer that was on its way when the question was asked proves nothing: the follower may have followed another since.
func TestOldAnswersDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(map[raft.ServerID]*voter{"a": {slow: time.Second}, "b": {gone: true}})
		var first sync.WaitGroup
		first.Go(func() { require.NoError(t, g.quorum(t.Context(), 5, g.all)) })
		time.Sleep(100 * time.Millisecond)
		g.mu.Lock()
		g.voters["a"].term = 6 // another was elected; the answer of before is still under way
		g.mu.Unlock()
		require.ErrorIs(t, g.quorum(t.Context(), 5, g.all), ErrNoMajority)
		first.Wait()
		g.stop()
		g.wait()
	})
}

// A follower that does not answer costs one message at a time, and no patience while others do.
func TestSilentFollowersHoldNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGroup(map[raft.ServerID]*voter{"a": {}, "b": {slow: time.Minute, gone: true}})
		began := time.Now()
		for range 1000 {
			require.NoError(t, g.quorum(t.Context(), 5, g.all))
		}
		require.Equal(t, began, time.Now())
		synctest.Wait()
		require.Len(t, g.voters["b"].got, 1)
		g.stop()
		g.wait()
	})
}
