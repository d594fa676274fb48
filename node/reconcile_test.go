package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

func TestNextVoter(t *testing.T) {
	self := membership.Member{ID: "a", Address: "a:1", Health: membership.Alive, Cluster: "c1", HasState: true}
	servers := []registry.Server{{Peer: registry.Peer{ID: "a", Address: "a:1"}, Voter: true}}
	fresh := membership.Member{ID: "b", Address: "b:1", Health: membership.Alive}
	for name, tc := range map[string]struct {
		member membership.Member
		want   bool
	}{
		"new":                     {fresh, true},
		"new, told its cluster":   {with(fresh, func(m *membership.Member) { m.Cluster = "c1" }), true},
		"back after a wiped log":  {with(fresh, func(m *membership.Member) { m.Cluster, m.HasState = "c1", true }), true},
		"dead":                    {with(fresh, func(m *membership.Member) { m.Health = membership.Dead }), false},
		"suspect":                 {with(fresh, func(m *membership.Member) { m.Health = membership.Suspect }), false},
		"of another cluster":      {with(fresh, func(m *membership.Member) { m.Cluster = "c2" }), false},
		"state of unknown origin": {with(fresh, func(m *membership.Member) { m.HasState = true }), false},
	} {
		peer, _, ok := nextVoter("c1", servers, []membership.Member{tc.member, self})
		require.Equal(t, tc.want, ok, name)
		if ok {
			require.Equal(t, registry.Peer{ID: "b", Address: "b:1"}, peer, name)
		}
	}
}

func TestNextVoterFollowsAnAddressAndTakesOneAtATime(t *testing.T) {
	servers := []registry.Server{{Peer: registry.Peer{ID: "a", Address: "a:1"}, Voter: true}, {Peer: registry.Peer{ID: "b", Address: "b:1"}, Voter: true}}
	members := []membership.Member{
		{ID: "d", Address: "d:1", Health: membership.Alive},
		{ID: "b", Address: "b:2", Health: membership.Alive, Cluster: "c1", HasState: true},
		{ID: "a", Address: "a:1", Health: membership.Alive, Cluster: "c1", HasState: true},
	}
	peer, _, ok := nextVoter("c1", servers, members)
	require.True(t, ok)
	require.Equal(t, registry.Peer{ID: "b", Address: "b:2"}, peer)
	servers[1].Address = "b:2"
	peer, _, ok = nextVoter("c1", servers, members)
	require.True(t, ok)
	require.Equal(t, "d:1", peer.Address)
}

// A wiped node is another one at the same address, where Raft takes only one: its predecessor leaves first, unless it lives.
func TestAWipedNodeReplacesItsPredecessor(t *testing.T) {
	servers := []registry.Server{{Peer: registry.Peer{ID: "a", Address: "a:1"}, Voter: true}, {Peer: registry.Peer{ID: "b", Address: "b:1"}, Voter: true}}
	self := membership.Member{ID: "a", Address: "a:1", Health: membership.Alive, Cluster: "c1", HasState: true}
	wiped := membership.Member{ID: "c", Address: "b:1", Health: membership.Alive}
	before := membership.Member{ID: "b", Address: "b:1", Health: membership.Dead, Cluster: "c1", HasState: true}

	for _, members := range [][]membership.Member{{self, wiped}, {self, before, wiped}} {
		peer, gone, ok := nextVoter("c1", servers, members)
		require.True(t, ok)
		require.Equal(t, registry.Peer{ID: "c", Address: "b:1"}, peer)
		require.Equal(t, locator.NodeID("b"), gone)
	}
	for _, health := range []membership.Health{membership.Alive, membership.Suspect} {
		before.Health = health
		_, _, ok := nextVoter("c1", servers, []membership.Member{self, before, wiped})
		require.False(t, ok, health)
	}
	_, gone, ok := nextVoter("c1", servers[:1], []membership.Member{self, wiped})
	require.True(t, ok)
	require.Empty(t, gone)
}

func TestForeignersAreNamed(t *testing.T) {
	members := []membership.Member{
		{ID: "a", Health: membership.Alive, Cluster: "c1"}, {ID: "b", Health: membership.Alive, Cluster: "c2"},
		{ID: "c", Health: membership.Dead, Cluster: "c2"}, {ID: "d", Health: membership.Alive},
	}
	problems := foreigners("c1", members)
	require.Len(t, problems, 1)
	require.Contains(t, problems[0], "node b")
	require.Empty(t, foreigners("", members))
}
