package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

func TestLevelsRise(t *testing.T) {
	s := newScript(t)
	require.EqualValues(t, 1, s.state.Level())
	remove := state.RemoveNode{Node: "n2"}
	require.ErrorIs(t, s.state.Admits(remove), api.ErrUnavailable)
	s.refused(remove, api.ErrUnavailable)
	s.refused(state.DeleteEdge{Name: "e", Op: "op"}, api.ErrUnavailable)
	s.refused(state.Upgrade{}, api.ErrInvalid)
	s.must(state.Upgrade{Level: 1})
	require.EqualValues(t, 1, s.state.Level())
	s.must(state.Upgrade{Level: 2})
	s.must(state.Upgrade{Level: 1})
	require.EqualValues(t, 2, s.state.Level())
	require.EqualValues(t, 2, reread(t, s.state).Level())
	require.NoError(t, s.state.Admits(remove))
	s.must(remove)
}

// A node that does not know the level of its cluster stops, and says what to do.
func TestHigherLevelsStopTheNode(t *testing.T) {
	b, err := state.Encode(state.Upgrade{Level: state.Level + 1}, 0)
	require.NoError(t, err)
	_, _, err = state.Decode(b)
	require.ErrorIs(t, err, state.ErrNewer)
	require.NotErrorIs(t, err, api.ErrCorrupt)
}

func TestDeadNodesAreRemoved(t *testing.T) {
	s := newScript(t)
	s.must(state.Upgrade{Level: 2})
	s.must(state.OpenSession{Session: "s9", Stage: "stage", Node: "n2", Incarnation: 1, TTL: lease.TTLDefault})
	s.must(change("s1", "", consumer("e", 0, "l1"), producer("f", 0, "l2"), consumer("g", 0, "l3")))
	s.must(change("s9", "", producer("f", s.edge("f").Revision, "l4")))
	s.must(state.RevokeLease{Lease: "l3"})
	s.must(state.GrantLease{Lease: "b", Kind: lease.KindBlock, Node: "n2", Session: "s1", Name: "r", Bytes: 1, TTL: lease.TTLDefault})
	remove := state.RemoveNode{Node: "n2", Detail: "burnt"}
	s.refused(remove, api.ErrConflict)
	remove.Force = true
	r := s.must(remove)
	require.Len(t, r.Ended, 3, "a session, a ring and a region")
	for _, e := range r.Ended {
		require.Equal(t, lease.Revoked, e.Status)
	}
	_, ok := s.state.Node("n2")
	require.False(t, ok)
	for _, name := range []string{"e", "g"} {
		e := s.edge(name)
		require.Equal(t, api.ReasonRevoked, e.Reason)
		require.Equal(t, s.state.Revision(), e.Revision)
		require.True(t, e.API(s.state).Locator.IsZero())
		h := s.state.History(name)
		require.Equal(t, "burnt", h[len(h)-1].Detail)
	}
	require.True(t, s.edge("f").Producer.Free())
	require.Equal(t, s.state.Indexes(), reread(t, s.state).Indexes())
	s.refused(remove, api.ErrNotFound)
	s.must(change("s1", "", producer("e", s.edge("e").Revision, "l5")))
	require.Equal(t, fence.Epoch(2), s.edge("e").Generation)
	n := s.must(state.RegisterNode{Node: "n2", Address: "127.0.0.2:7000"}).Node
	require.EqualValues(t, 1, n.Incarnation)
}

// What was asked for twice is done once, and the second answer is the first.
func TestRepeatedOperations(t *testing.T) {
	s := newScript(t)
	s.must(state.Upgrade{Level: 2})
	s.must(change("s1", "op", producer("e", 0, "l1"), producer("other", 0, "l2")))

	del := state.DeleteEdge{Name: "e", Expect: s.edge("e").Revision, Op: "del"}
	first := s.must(del)
	s.must(change("s1", "", moved("other", s.edge("other").Revision, "l3"))) // another edge
	s.state = reread(t, s.state)
	again := s.must(del)
	require.Equal(t, first.Revision, again.Revision)
	require.Empty(t, again.Changes)
	del.Op = "del2"
	s.refused(del, api.ErrNotFound)
	s.must(change("s1", "", producer("e", 0, "l4")))
	del.Op = "del"
	s.refused(del, api.ErrConflict)
	del.Op = string(make([]byte, 65))
	s.refused(del, api.ErrInvalid)

	s.must(state.RevokeLease{Lease: "l4"})
	require.Empty(t, s.must(state.RevokeLease{Lease: "l4"}).Ended, "it has ended before")
	s.refused(state.RevokeLease{Lease: "l1"}, lease.ErrRevoked)
	grant := state.GrantLease{Lease: "m", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: lease.TTLDefault}
	s.must(grant)
	release := state.ReleaseLease{Lease: "m", Session: "s1"}
	s.must(release)
	s.must(release)
	s.refused(grant, api.ErrInvalid)
}

func TestARegionChangesHandsOncePerGrant(t *testing.T) {
	s := newScript(t)
	s.must(state.Upgrade{Level: 2})
	grant := state.GrantLease{Lease: "b1", Kind: lease.KindBlock, Node: "n1", Session: "s1", Name: "region", Bytes: 4096, TTL: lease.TTLDefault}
	first := s.must(grant).Leases[0]
	require.Equal(t, first, s.must(grant).Leases[0])
	grant.Lease, grant.Session = "b2", "s2"
	second := s.must(grant).Leases[0]
	require.Greater(t, second.Epoch, first.Epoch)
	s.state = reread(t, s.state)
	require.Equal(t, second, s.must(grant).Leases[0])
	grant.Lease, grant.Session = "b3", "s3"
	third := s.must(grant).Leases[0]
	require.Greater(t, third.Epoch, second.Epoch)
	grant.Lease, grant.Session = "b2", "s2"
	require.Greater(t, s.must(grant).Leases[0].Epoch, third.Epoch, "not its holder any more")
}

func TestAChangeHasAtMost128Edges(t *testing.T) {
	s := newScript(t)
	c := change("s1", "")
	for range state.ChangeEdgesMax + 1 {
		ec := producer(string(lease.NewID()), 0, lease.NewID())
		ec.Capacity = 1
		c.Edges = append(c.Edges, ec)
	}
	s.refused(c, api.ErrInvalid)
	c.Edges = c.Edges[1:]
	require.Len(t, s.must(c).Edges, state.ChangeEdgesMax)
	b, err := state.Encode(c, 0)
	require.NoError(t, err)
	require.Less(t, len(b), state.CommandBytesMax)
}
