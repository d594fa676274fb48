package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// paired returns a script at level 3 with an edge e at generation 2: producer s1, consumer s2, ring on n2.
func paired(t require.TestingT) *script {
	s := newScript(t)
	s.must(state.Upgrade{Level: 3})
	s.must(state.RegisterNode{Node: "n3", Zone: "c", Address: "127.0.0.3:7000", Memory: 1 << 20})
	s.must(change("s1", "op1", producer("e", 0, "l1")))
	s.must(change("s2", "op2", consumer("e", s.edge("e").Revision, "l2")))
	return s
}

// arm is a valid command to arm e's spare, which the tests then bend.
func (s *script) arm(op string, l lease.ID, node locator.NodeID) state.ChangeSpare {
	return state.ChangeSpare{Op: op, Session: "s1", Edge: "e", Expect: s.edge("e").Revision, Arm: true, Lease: l, Node: node,
		TTL: lease.TTLDefault, Reason: api.ReasonSpareArmed}
}

// confirm is a valid command to confirm the move to generation g.
func confirm(op string, g fence.Epoch) state.ChangeSpare {
	return state.ChangeSpare{Op: op, Session: "s1", Edge: "e", Confirm: g, Reason: api.ReasonRingLost, Detail: "reset"}
}

// and has c arm the next spare, too.
func and(c state.ChangeSpare, l lease.ID, node locator.NodeID) state.ChangeSpare {
	c.Arm, c.Lease, c.Node, c.TTL = true, l, node, lease.TTLDefault
	return c
}

func (s *script) ended(id string) lease.Status {
	status, ok := s.state.Ended(id)
	require.True(s.t, ok, "%s has not ended", id)
	return status
}

func TestArmingLeavesTheRing(t *testing.T) {
	s := paired(t)
	before := s.edge("e")
	r := s.must(s.arm("a", "l3", "n1"))
	e := s.edge("e")
	require.Equal(t, before.Generation, e.Generation)
	require.Equal(t, before.Lease, e.Lease)
	require.Equal(t, []state.Record{e}, r.Edges)
	require.Equal(t, &state.Spare{Generation: 3, Lease: "l3", Node: "n1", Producer: 1, Consumer: 2,
		Op: state.Op{ID: "a", Session: "s1", Revision: s.state.Revision()}}, e.Spare)
	require.Len(t, r.Leases, 1)
	require.Equal(t, fence.Epoch(3), r.Leases[0].Epoch)
	require.Equal(t, before.Capacity, s.state.Leased("n1"))

	shown := e.API(s.state)
	require.NoError(t, shown.Spare.Locator.Validate())
	require.Equal(t, locator.ArenaID("l3"), shown.Spare.Locator.Arena)
	require.Equal(t, shown.Spare.Locator, r.Leases[0].Locator(s.state))
	require.Equal(t, fence.Epoch(3), shown.InSpare().Generation)
	past := s.state.History("e")
	require.Equal(t, api.ReasonSpareArmed, past[2].Reason)
	require.Equal(t, fence.Epoch(3), past[2].Spare)
	require.Equal(t, fence.Epoch(2), past[2].Generation)

	// Another one takes its place, also with the room that it had.
	r = s.must(s.arm("b", "l4", "n3"))
	require.Equal(t, fence.Epoch(4), s.edge("e").Spare.Generation)
	require.Equal(t, []state.Ended{{ID: "l3", Status: lease.Released, Seq: r.Ended[0].Seq}}, r.Ended)
	require.Zero(t, s.state.Leased("n1"))
}

func TestConfirmMovesTheEdge(t *testing.T) {
	s := paired(t)
	s.must(s.arm("a", "l3", "n1"))
	r := s.must(confirm("b", 3))
	e := s.edge("e")
	require.Equal(t, fence.Epoch(3), e.Generation)
	require.Equal(t, lease.ID("l3"), e.Lease)
	require.Equal(t, locator.NodeID("n1"), e.Node)
	require.Nil(t, e.API(s.state).Spare)
	require.Equal(t, fence.Epoch(1), e.Producer.Epoch, "roles keep their epochs")
	require.Equal(t, fence.Epoch(2), e.Consumer.Epoch)
	require.Equal(t, "l2", r.Ended[0].ID)
	require.Equal(t, lease.Released, s.ended("l2"))
	past := s.state.History("e")
	require.Equal(t, api.Change{Revision: e.Revision, Generation: 3, Node: "n1", Reason: api.ReasonRingLost, Actor: "s1", Detail: "reset",
		Time: past[3].Time}, past[3])

	// Both in one write, whatever the revision is; the generation after is above all.
	s.must(s.arm("c", "l4", "n2"))
	s.must(and(confirm("d", 4), "l5", "n3"))
	e = s.edge("e")
	require.Equal(t, fence.Epoch(4), e.Generation)
	require.Equal(t, fence.Epoch(5), e.Spare.Generation)
	require.Equal(t, lease.Released, s.ended("l3"))
	s.must(change("s1", "op3", moved("e", e.Revision, "l6")))
	require.Equal(t, fence.Epoch(6), s.edge("e").Generation)
}

func TestConfirmNeedsNoRoom(t *testing.T) {
	for name, c := range map[string]state.ChangeSpare{
		"no place was found": and(confirm("b", 3), "", ""),
		"no room":            and(confirm("b", 3), "l4", "n4"),
		"unknown node":       and(confirm("b", 3), "l4", "n9"),
		"its own node":       and(confirm("b", 3), "l4", "n1"),
		"a used lease":       and(confirm("b", 3), "l1", "n3"),
	} {
		t.Run(name, func(t *testing.T) {
			s := paired(t)
			s.must(state.RegisterNode{Node: "n4", Address: "127.0.0.4:7000", Memory: 1})
			s.must(s.arm("a", "l3", "n1"))
			r := s.must(c)
			require.Equal(t, fence.Epoch(3), s.edge("e").Generation)
			require.Nil(t, r.Edges[0].API(s.state).Spare)
			require.Empty(t, r.Leases)
		})
	}
	s := paired(t)
	s.must(s.arm("a", "l3", "n1"))
	s.must(state.EndSession{Session: "s2"})
	require.NotNil(t, s.edge("e").API(s.state).Spare, "who is gone leaves the spare to who is there")
	s.must(and(confirm("b", 3), "l4", "n3"))
	require.Nil(t, s.edge("e").API(s.state).Spare, "and nobody is there for the next")
}

func TestChangeSpareIsRefused(t *testing.T) {
	s := paired(t)
	s.must(s.arm("a", "l3", "n1"))
	full := s.arm("x", "l4", "n3")
	with := func(f func(*state.ChangeSpare)) state.ChangeSpare { c := full; f(&c); return c }
	for name, c := range map[string]struct {
		c   state.ChangeSpare
		why error
	}{
		"nothing":                 {state.ChangeSpare{Session: "s1", Edge: "e"}, api.ErrInvalid},
		"no name":                 {with(func(c *state.ChangeSpare) { c.Edge = "" }), api.ErrInvalid},
		"no edge":                 {with(func(c *state.ChangeSpare) { c.Edge = "f" }), api.ErrNotFound},
		"no session":              {with(func(c *state.ChangeSpare) { c.Session = "" }), api.ErrSessionLost},
		"dead session":            {with(func(c *state.ChangeSpare) { c.Session = "s9" }), api.ErrSessionLost},
		"the consumer":            {with(func(c *state.ChangeSpare) { c.Session = "s2" }), fence.ErrFenced},
		"old revision":            {with(func(c *state.ChangeSpare) { c.Expect-- }), api.ErrConflict},
		"no term":                 {with(func(c *state.ChangeSpare) { c.TTL = 0 }), api.ErrInvalid},
		"no lease":                {with(func(c *state.ChangeSpare) { c.Lease = "" }), api.ErrInvalid},
		"a lease in force":        {with(func(c *state.ChangeSpare) { c.Lease = "l3" }), api.ErrInvalid},
		"a lease that was":        {with(func(c *state.ChangeSpare) { c.Lease = "l1" }), api.ErrInvalid},
		"the ring's node":         {with(func(c *state.ChangeSpare) { c.Node = "n2" }), api.ErrInvalid},
		"unknown node":            {with(func(c *state.ChangeSpare) { c.Node = "n9" }), api.ErrNoRoom},
		"the ring":                {confirm("x", 2), api.ErrConflict},
		"no such spare":           {confirm("x", 4), api.ErrConflict},
		"no such spare, arms too": {and(confirm("x", 4), "l4", "n3"), api.ErrConflict},
		"not the producer":        {with(func(c *state.ChangeSpare) { c.Session, c.Confirm = "s2", 3 }), fence.ErrFenced},
	} {
		t.Run(name, func(t *testing.T) {
			fork := &script{t: t, state: s.state, index: s.index, term: s.term}
			fork.refused(c.c, c.why)
		})
	}
	s.must(state.RevokeLease{Lease: "l2"})
	s.refused(s.arm("x", "l4", "n3"), api.ErrConflict)
	s.must(state.EndSession{Session: "s2"})
	s.refused(s.arm("x", "l4", "n3"), api.ErrConflict)
}

func TestSameSpareOpGivesTheFirstAnswer(t *testing.T) {
	s := paired(t)
	c := s.arm("a", "l3", "n1")
	first := s.must(c)
	other := c
	other.Lease = "l4" // a copy finds another place
	again := s.must(other)
	require.Equal(t, first.Revision, again.Revision)
	require.Equal(t, first.Edges, again.Edges)
	require.Equal(t, first.Leases, again.Leases)
	require.Empty(t, again.Changes)

	first = s.must(and(confirm("b", 3), "l5", "n3"))
	s.must(state.RevokeLease{Lease: "l5"})
	again = s.must(and(confirm("b", 3), "l6", "n3"))
	require.Equal(t, first.Revision, again.Revision)
	require.Empty(t, again.Leases, "what has ended since has ended")
	s.must(change("s2", "op3", consumer("e", s.edge("e").Revision, "l7")))
	s.refused(and(confirm("b", 3), "l8", "n3"), api.ErrConflict)
}

// Whatever else happens to an edge does away with its spare, and its generation never comes again (rules 1 and 4).
func TestWhatEndsASpare(t *testing.T) {
	revoked := func(s *script) { s.must(state.RevokeLease{Lease: "l3", Detail: "why"}) }
	for name, tc := range map[string]struct {
		what   func(s *script)
		status lease.Status
		reason api.Reason
	}{
		"takeover":   {func(s *script) { s.must(change("s3", "x", consumer("e", s.edge("e").Revision, "l9"))) }, lease.Released, api.ReasonTakeover},
		"relocation": {func(s *script) { s.must(change("", "x", moved("e", s.edge("e").Revision, "l9"))) }, lease.Released, api.ReasonTakeover},
		"revocation": {revoked, lease.Revoked, api.ReasonSpareLost},
		"expiry": {func(s *script) { s.must(state.Expire{Term: 1, Leases: []state.Mark[lease.ID]{{ID: "l3"}}}) },
			lease.Expired, api.ReasonSpareLost},
		"its node":     {func(s *script) { s.must(state.RemoveNode{Node: "n3", Force: true}) }, lease.Revoked, api.ReasonSpareLost},
		"recovery":     {func(s *script) { s.state = s.state.Recovered() }, lease.Revoked, api.ReasonRestored},
		"restore":      {func(s *script) { s.state = s.state.RestoredOver(s.state) }, lease.Revoked, api.ReasonRestored},
		"another":      {func(s *script) { s.must(s.arm("x", "l9", "n1")) }, lease.Released, api.ReasonSpareArmed},
		"and then the": {func(s *script) { revoked(s); s.must(change("", "x", moved("e", s.edge("e").Revision, "l9"))) }, lease.Revoked, api.ReasonTakeover},
	} {
		t.Run(name, func(t *testing.T) {
			s := paired(t)
			s.must(s.arm("a", "l3", "n3"))
			armed := s.edge("e")
			tc.what(s)
			require.NoError(t, s.state.Verify())
			e := s.edge("e")
			require.Equal(t, tc.status, s.ended("l3"))
			require.Greater(t, e.Revision, armed.Revision)
			require.Equal(t, tc.reason, e.Reason)
			if tc.reason == api.ReasonSpareLost {
				require.Equal(t, armed.Generation, e.Generation)
				require.Equal(t, armed.Lease, e.Lease)
			}
			s.refused(confirm("y", 3), api.ErrConflict)
			s.must(change("s1", "z", producer("e", s.edge("e").Revision, "l10")))
			require.Greater(t, s.edge("e").Generation, fence.Epoch(3))
		})
	}
}

func TestADeletedEdgeRemembersItsSpares(t *testing.T) {
	for _, lost := range []bool{false, true} {
		s := paired(t)
		s.must(s.arm("a", "l3", "n3"))
		if lost {
			s.must(state.RevokeLease{Lease: "l3"})
		}
		r := s.must(state.DeleteEdge{Name: "e", Expect: s.edge("e").Revision})
		require.Equal(t, map[bool]int{false: 2, true: 1}[lost], len(r.Ended))
		require.Zero(t, s.state.Leased("n3"))
		s.must(change("s1", "", producer("e", 0, "l4")))
		require.Equal(t, fence.Epoch(4), s.edge("e").Generation)
	}
}

func TestANodeThatComesBackKeepsTheSpare(t *testing.T) {
	s := paired(t)
	s.must(s.arm("a", "l3", "n3"))
	before := s.edge("e")
	s.must(state.RegisterNode{Node: "n3", Address: "127.0.0.3:7000", Memory: 1 << 20})
	s.must(state.AdoptLease{Lease: "l3", Node: "n3", Incarnation: 2})
	require.Equal(t, before, s.edge("e"), "nothing is another")
	s.must(confirm("b", 3))
}

// From level 4 on a ring takes what is beside its capacity, too, and those that were there before do so from then on.
func TestRingsTakeMoreThanTheirCapacity(t *testing.T) {
	s := newScript(t)
	e := producer("e", 0, "l1")
	e.Capacity = 1 << 19
	s.must(change("s1", "", e))
	s.must(state.GrantLease{Lease: "m", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 100, TTL: lease.TTLDefault})
	require.EqualValues(t, 1<<19+100, s.state.Leased("n1"))
	s.must(state.Upgrade{Level: 4})
	require.EqualValues(t, 1<<19+100+lease.RingOverhead, s.state.Leased("n1"))
	f := producer("f", 0, "l2")
	f.Capacity = 1 << 19
	s.refused(change("s1", "", f), api.ErrNoRoom)
	s.must(state.DeleteEdge{Name: "e", Expect: s.edge("e").Revision})
	require.EqualValues(t, 100, s.state.Leased("n1"))
	s.must(change("s1", "", f))
}

func TestSparesNeedLevel3(t *testing.T) {
	s := newScript(t)
	s.must(state.Upgrade{Level: 2})
	s.must(change("s1", "op1", producer("e", 0, "l1"), consumer("f", 0, "l2")))
	for _, c := range []state.ChangeSpare{s.arm("a", "l3", "n2"), confirm("a", 3)} {
		require.ErrorIs(t, s.state.Admits(c), api.ErrUnavailable)
		s.refused(c, api.ErrUnavailable)
	}
	bytes := bytesOf(t, s.state)
	s.must(state.Upgrade{Level: 3})
	require.NotEqual(t, bytes, bytesOf(t, s.state))
	require.NoError(t, s.state.Admits(confirm("a", 3)))
}
