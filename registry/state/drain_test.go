package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// movable returns paired at level 4: ring on n2.
func movable(t require.TestingT) *script {
	s := paired(t)
	s.must(state.Upgrade{Level: 4})
	return s
}

// plan is a valid command to plan e's move to n3.
func (s *script) plan(l lease.ID) state.ChangeSpare {
	c := s.arm("", l, "n3")
	c.Session, c.Planned, c.Reason = "", true, api.ReasonRequested
	return c
}

func TestPlannedMove(t *testing.T) {
	s := movable(t)
	s.must(s.arm("a", "l3", "n1"))
	before := s.edge("e")
	s.must(s.plan("l4"))
	e := s.edge("e")
	require.Equal(t, before.Generation, e.Generation)
	require.Equal(t, before.Lease, e.Lease)
	require.Equal(t, lease.Released, s.ended("l3"), "its place is the planned one's")
	require.True(t, e.API(s.state).Spare.Planned)
	require.Equal(t, fence.Epoch(4), e.Spare.Generation)
	require.Equal(t, api.ReasonRequested, e.Reason)
	s.state = reread(t, s.state)

	s.must(and(confirm("c", 4), "l5", "n1"))
	e = s.edge("e")
	require.Equal(t, fence.Epoch(4), e.Generation)
	require.False(t, e.API(s.state).Spare.Planned)

	// Either side may ask for one, the ring's own node will do, and a takeover does away with it.
	for i, session := range []lease.SessionID{"s1", "s2"} {
		c := s.plan(lease.ID([]string{"l6", "l7"}[i]))
		c.Session, c.Node = session, s.edge("e").Node
		s.must(c)
		require.True(t, s.edge("e").Spare.Planned)
	}
	s.must(change("s3", "x", consumer("e", s.edge("e").Revision, "l8")))
	require.Nil(t, s.edge("e").Spare)
}

func TestPlannedMoveIsRefused(t *testing.T) {
	s := movable(t)
	full := s.plan("l4")
	with := func(f func(*state.ChangeSpare)) state.ChangeSpare { c := full; f(&c); return c }
	for name, c := range map[string]struct {
		c   state.ChangeSpare
		why error
	}{
		"confirms":     {with(func(c *state.ChangeSpare) { c.Confirm = 3 }), api.ErrInvalid},
		"arms nothing": {with(func(c *state.ChangeSpare) { c.Arm = false }), api.ErrInvalid},
		"old revision": {with(func(c *state.ChangeSpare) { c.Expect-- }), api.ErrConflict},
		"no edge":      {with(func(c *state.ChangeSpare) { c.Edge = "f" }), api.ErrNotFound},
		"a third":      {with(func(c *state.ChangeSpare) { c.Session = "s3" }), fence.ErrFenced},
		"dead session": {with(func(c *state.ChangeSpare) { c.Session = "s9" }), api.ErrSessionLost},
	} {
		t.Run(name, func(t *testing.T) {
			fork := &script{t: t, state: s.state, index: s.index, term: s.term}
			fork.refused(c.c, c.why)
		})
	}
	s.must(state.EndSession{Session: "s1"})
	s.refused(s.plan("l4"), api.ErrConflict)
}

func TestNothingIsPlacedOnADrainedNode(t *testing.T) {
	s := movable(t)
	r := s.must(state.DrainNode{Node: "n2", Drain: api.DrainUntilEnabled})
	require.Len(t, r.Changes, 1)
	require.Empty(t, s.must(state.DrainNode{Node: "n2", Drain: api.DrainUntilEnabled}).Changes)
	require.NotEmpty(t, s.edge("e").Lease, "what it has stays")
	s.refused(change("", "", moved("e", s.edge("e").Revision, "l4")), api.ErrConflict) // to n2
	c := s.plan("l4")
	c.Node = "n2"
	s.refused(c, api.ErrConflict)
	s.refused(state.GrantLease{Lease: "m", Kind: lease.KindBlock, Node: "n2", Session: "s1", Bytes: 1, TTL: lease.TTLDefault}, api.ErrConflict)
	s.must(s.plan("l4"))
	s.must(state.DrainNode{Node: "n3", Drain: api.DrainUntilStart})
	s.must(and(confirm("b", 3), "l5", "n2"))
	require.Nil(t, s.edge("e").API(s.state).Spare, "what was armed before is moved to; another is not armed there")

	s.refused(state.DrainNode{Node: "n9", Drain: api.DrainUntilStart}, api.ErrNotFound)
	s.refused(state.DrainNode{Node: "n2", Drain: "later"}, api.ErrInvalid)
}

// An operator's word outlasts a restart, a node's own does not.
func TestWhenADrainEnds(t *testing.T) {
	for drain, after := range map[api.Drain]api.Drain{api.DrainUntilEnabled: api.DrainUntilEnabled, api.DrainUntilStart: api.DrainNot} {
		s := movable(t)
		s.must(state.DrainNode{Node: "n3", Drain: drain})
		s.must(state.DrainNode{Node: "n3", Drain: api.DrainUntilStart}) // it says itself that it goes
		n := s.must(state.RegisterNode{Node: "n3", Address: "127.0.0.3:7000", Memory: 1 << 20}).Node
		require.Equal(t, after, n.Drain)
		s.must(state.DrainNode{Node: "n3"})
		s.must(s.plan("l4"))
	}
}

func TestDrainsNeedLevel4(t *testing.T) {
	s := paired(t)
	for _, c := range []state.Command{s.plan("l4"), state.DrainNode{Node: "n2", Drain: api.DrainUntilStart}} {
		require.ErrorIs(t, s.state.Admits(c), api.ErrUnavailable)
		s.refused(c, api.ErrUnavailable)
	}
	require.NoError(t, s.state.Admits(s.arm("a", "l4", "n3")))
}

// amendable returns paired at level 6: ring on n2.
func amendable(t require.TestingT) *script {
	s := paired(t)
	s.must(state.Upgrade{Level: 6})
	return s
}

func TestAnIneligibleNodeKeepsWhatItHas(t *testing.T) {
	s := amendable(t)
	require.Len(t, s.must(state.SetEligibility{Node: "n2", Ineligible: true}).Changes, 1)
	require.Empty(t, s.must(state.SetEligibility{Node: "n2", Ineligible: true}).Changes)
	require.NotEmpty(t, s.edge("e").Lease)
	s.refused(change("", "", moved("e", s.edge("e").Revision, "l4")), api.ErrConflict) // to n2
	s.refused(state.GrantLease{Lease: "m", Kind: lease.KindBlock, Node: "n2", Session: "s1", Bytes: 1, TTL: lease.TTLDefault}, api.ErrConflict)
	s.must(state.SetEligibility{Node: "n2"})
	s.must(change("", "", moved("e", s.edge("e").Revision, "l4")))
	s.refused(state.SetEligibility{Node: "n9"}, api.ErrNotFound)
}

// A drain, whoever wants it, and a restart leave it as it is.
func TestEligibilityStandsUntilSaidOtherwise(t *testing.T) {
	for _, drain := range []api.Drain{api.DrainUntilEnabled, api.DrainUntilStart} {
		s := amendable(t)
		s.must(state.SetEligibility{Node: "n3", Ineligible: true})
		s.must(state.DrainNode{Node: "n3", Drain: drain})
		n := s.must(state.RegisterNode{Node: "n3", Address: "127.0.0.3:7000", Memory: 1 << 20}).Node
		require.True(t, n.Ineligible)
		n = s.must(state.DrainNode{Node: "n3"}).Node
		require.True(t, n.Closed())
		require.False(t, s.must(state.SetEligibility{Node: "n3"}).Node.Closed())
	}
}

// A node that lends less than is lent already keeps that, and takes nothing more until there is room.
func TestANodeIsResized(t *testing.T) {
	s := amendable(t)
	n, _ := s.state.Node("n2")
	leased := s.state.Leased("n2")
	require.Positive(t, leased)
	require.Len(t, s.must(state.ResizeNode{Node: "n2", Incarnation: n.Incarnation, Memory: leased - 1}).Changes, 1)
	require.Empty(t, s.must(state.ResizeNode{Node: "n2", Incarnation: n.Incarnation, Memory: leased - 1}).Changes)
	require.NotEmpty(t, s.edge("e").Lease)
	grant := state.GrantLease{Lease: "m", Kind: lease.KindMemory, Node: "n2", Session: "s1", Bytes: 1, TTL: lease.TTLDefault}
	s.refused(grant, api.ErrNoRoom)
	s.must(state.ResizeNode{Node: "n2", Incarnation: n.Incarnation, Memory: leased + 1})
	s.must(grant)
	s.refused(state.ResizeNode{Node: "n2", Incarnation: n.Incarnation + 1, Memory: 1}, fence.ErrFenced)
	s.refused(state.ResizeNode{Node: "n9", Incarnation: 1, Memory: 1}, api.ErrNotFound)
}

func TestEligibilityAndSizeNeedLevel6(t *testing.T) {
	s := paired(t)
	s.must(state.Upgrade{Level: 5})
	for _, c := range []state.Command{state.SetEligibility{Node: "n2"}, state.ResizeNode{Node: "n2", Incarnation: 1}} {
		require.ErrorIs(t, s.state.Admits(c), api.ErrUnavailable)
		s.refused(c, api.ErrUnavailable)
	}
}
