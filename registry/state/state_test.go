package state_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

// script applies commands one after the other to a state, as the log would.
type script struct {
	t     require.TestingT
	state *state.State
	index uint64
	term  uint64
}

func newScript(t require.TestingT) *script {
	s := &script{t: t, state: state.New(), term: 1}
	s.must(state.InitCluster{Cluster: "c"})
	s.must(state.RegisterNode{Node: "n1", Name: "one", Zone: "a", Address: "127.0.0.1:7000", Memory: 1 << 20})
	s.must(state.RegisterNode{Node: "n2", Name: "two", Zone: "b", Address: "127.0.0.2:7000", Memory: 1 << 20})
	for _, id := range []lease.SessionID{"s1", "s2", "s3"} {
		s.must(state.OpenSession{Session: id, Stage: "stage", Node: "n1", Incarnation: 1, TTL: lease.TTLDefault})
	}
	return s
}

func (s *script) do(c state.Command) state.Result {
	s.index++
	var r state.Result
	s.state, r = s.state.Step(state.Entry{Index: s.index, Term: s.term, Proposed: int64(s.index), Command: c})
	require.NoError(s.t, s.state.Verify(), "after %#v", c)
	return r
}

func (s *script) must(c state.Command) state.Result {
	r := s.do(c)
	require.NoError(s.t, r.Err, "%#v", c)
	return r
}

func (s *script) refused(c state.Command, why error) {
	before := s.state
	r := s.do(c)
	require.ErrorIs(s.t, r.Err, why)
	require.Equal(s.t, state.Result{Revision: r.Revision, Term: r.Term, Err: r.Err}, r, "a refusal carries nothing else")
	require.True(s.t, state.SameTrees(before, s.state), "a refusal changes nothing")
}

func (s *script) edge(name string) state.Record {
	r, ok := s.state.Edge(name)
	require.True(s.t, ok, "edge %s", name)
	return r
}

// change is a valid change of edges, which the tests then bend.
func change(session lease.SessionID, op string, edges ...state.EdgeChange) state.ChangeEdges {
	return state.ChangeEdges{Op: op, Session: session, Reason: api.ReasonTakeover, TTL: lease.TTLDefault, Edges: edges}
}

func producer(name string, expect api.Revision, l lease.ID) state.EdgeChange {
	return state.EdgeChange{Name: name, Expect: expect, TakeProducer: true, ProducerStage: "p", Capacity: 1 << 16, Lease: l,
		Node: "n1"}
}

func consumer(name string, expect api.Revision, l lease.ID) state.EdgeChange {
	return state.EdgeChange{Name: name, Expect: expect, TakeConsumer: true, ConsumerStage: "c", Capacity: 1 << 16, Lease: l,
		Node: "n2"}
}

func moved(name string, expect api.Revision, l lease.ID) state.EdgeChange {
	return state.EdgeChange{Name: name, Expect: expect, Lease: l, Node: "n2"}
}

func TestChangeGrantsEverythingAtOnce(t *testing.T) {
	s := newScript(t)
	r := s.must(change("s1", "op1", producer("e", 0, "l1"), consumer("f", 0, "l2")))
	e := s.edge("e")
	require.Equal(t, []state.Record{e, s.edge("f")}, r.Edges)
	require.Equal(t, fence.Epoch(1), e.Generation)
	require.Equal(t, api.Side{Stage: "p", Session: "s1", Node: "n1", Epoch: 1}, e.Producer)
	require.True(t, e.Consumer.Free())
	require.Equal(t, api.ReasonCreated, e.Reason)
	l, ok := s.state.Lease("l1")
	require.True(t, ok)
	require.Equal(t, uint64(1<<16), l.Bytes)
	require.Equal(t, fence.Epoch(1), l.Epoch)
	require.Equal(t, uint64(1<<16), s.state.Leased("n1"))

	shown := e.API(s.state)
	require.NoError(t, shown.Locator.Validate())
	require.Equal(t, locator.ArenaID("l1"), shown.Locator.Arena)
	require.Equal(t, "a", shown.Locator.Zone)

	// The consumer's takeover gives another ring; the producer keeps its epoch.
	s.must(change("s2", "op2", consumer("e", e.Revision, "l3")))
	e = s.edge("e")
	require.Equal(t, fence.Epoch(2), e.Generation)
	require.Equal(t, fence.Epoch(1), e.Producer.Epoch)
	require.Equal(t, fence.Epoch(2), e.Consumer.Epoch)
	require.Equal(t, api.ReasonTakeover, e.Reason)
	_, ok = s.state.Lease("l1")
	require.False(t, ok, "the replaced lease is released")
	status, _ := s.state.Ended("l1")
	require.Equal(t, lease.Released, status)
	require.Zero(t, s.state.Leased("n1"))

	// A planned move takes nothing and leaves both epochs.
	s.must(change("", "op3", moved("e", e.Revision, "l4")))
	require.Equal(t, fence.Epoch(3), s.edge("e").Generation)
	require.Equal(t, e.Producer, s.edge("e").Producer)
	require.Equal(t, e.Consumer, s.edge("e").Consumer)
	require.Len(t, s.state.History("e"), 3)
}

func TestChangeIsRefused(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "op", producer("e", 0, "l1")))
	rev := s.edge("e").Revision
	with := func(ec state.EdgeChange, f func(*state.EdgeChange)) state.EdgeChange { f(&ec); return ec }
	for name, c := range map[string]struct {
		c   state.ChangeEdges
		why error
	}{
		"no edges":             {change("s1", "x"), api.ErrInvalid},
		"old revision":         {change("s1", "x", producer("e", rev-1, "l2")), api.ErrConflict},
		"exists":               {change("s1", "x", producer("e", 0, "l2")), api.ErrConflict},
		"does not exist":       {change("s1", "x", producer("g", rev, "l2")), api.ErrConflict},
		"second of two":        {change("s1", "x", producer("f", 0, "l2"), producer("e", 0, "l3")), api.ErrConflict},
		"edge twice":           {change("s1", "x", producer("f", 0, "l2"), consumer("f", 0, "l3")), api.ErrInvalid},
		"lease twice":          {change("s1", "x", producer("f", 0, "l2"), producer("g", 0, "l2")), api.ErrInvalid},
		"lease is active":      {change("s1", "x", producer("f", 0, "l1")), api.ErrInvalid},
		"lease is reused":      {change("s1", "x", producer("e", rev, "l1")), api.ErrInvalid},
		"dead session":         {change("gone", "x", producer("e", rev, "l2")), api.ErrSessionLost},
		"not its edge":         {change("s2", "x", moved("e", rev, "l2")), fence.ErrFenced},
		"nothing to move":      {change("", "x", moved("g", 0, "l2")), api.ErrNotFound},
		"operator takes":       {change("", "x", producer("e", rev, "l2")), api.ErrInvalid},
		"unknown node":         {change("s1", "x", with(producer("e", rev, "l2"), func(ec *state.EdgeChange) { ec.Node = "n9" })), api.ErrNoRoom},
		"no room":              {change("s1", "x", with(producer("e", rev, "l2"), func(ec *state.EdgeChange) { ec.Capacity = 1<<20 + 1 })), api.ErrNoRoom},
		"no room for both":     {change("s1", "x", with(producer("f", 0, "l2"), func(ec *state.EdgeChange) { ec.Capacity = 1 << 20 })), api.ErrNoRoom},
		"new without capacity": {change("s1", "x", with(producer("f", 0, "l2"), func(ec *state.EdgeChange) { ec.Capacity = 0 })), api.ErrInvalid},
		"bad name":             {change("s1", "x", producer("a/b", 0, "l2")), api.ErrInvalid},
		"no stage":             {change("s1", "x", with(producer("e", rev, "l2"), func(ec *state.EdgeChange) { ec.ProducerStage = "" })), api.ErrInvalid},
		"no term":              {state.ChangeEdges{Session: "s1", Edges: []state.EdgeChange{producer("e", rev, "l2")}}, api.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			fork := &script{t: t, state: s.state, index: s.index, term: s.term}
			fork.refused(c.c, c.why)
		})
	}
}

func TestRoomOfTheReplacedRingCounts(t *testing.T) {
	s := newScript(t)
	big := producer("e", 0, "l1")
	big.Capacity = 1 << 20
	s.must(change("s1", "", big))
	again := producer("e", s.edge("e").Revision, "l2")
	again.Capacity = 0
	s.must(change("s1", "", again))
	require.Equal(t, uint64(1<<20), s.edge("e").Capacity)
	require.Equal(t, uint64(1<<20), s.state.Leased("n1"))
}

func TestCodecIsSetOnce(t *testing.T) {
	s := newScript(t)
	ec := producer("e", 0, "l1")
	s.must(change("s1", "", ec))
	ec = consumer("e", s.edge("e").Revision, "l2")
	ec.Codec = "abc"
	s.must(change("s2", "", ec))
	require.Equal(t, "abc", s.edge("e").Codec)
	ec = producer("e", s.edge("e").Revision, "l3")
	ec.Codec = "xyz"
	s.refused(change("s1", "", ec), api.ErrCodec)
	ec.Codec = ""
	s.must(change("s1", "", ec))
	require.Equal(t, "abc", s.edge("e").Codec)
}

// An unknown outcome is resolved by asking again: the same operation gives the first answer, whatever became of roles and
// leases since, until another change comes in between.
func TestSameOpGivesTheFirstAnswer(t *testing.T) {
	s := newScript(t)
	c := change("s1", "op", producer("e", 0, "l1"), producer("f", 0, "l2"))
	first := s.must(c)
	again := s.must(c)
	require.Equal(t, first.Revision, again.Revision)
	require.Equal(t, first.Edges, again.Edges)
	require.Equal(t, first.Leases, again.Leases)

	other := c
	other.Session = "s2"
	s.refused(other, api.ErrConflict)

	s.must(state.EndSession{Session: "s1"})
	again = s.must(c)
	require.Equal(t, first.Revision, again.Revision)
	require.True(t, again.Edges[0].Producer.Free())

	s.must(change("s2", "op2", producer("f", s.edge("f").Revision, "l3")))
	s.refused(c, api.ErrSessionLost)
}

func TestGenerationsSurviveDeletion(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "", producer("e", 0, "l1")))
	s.must(change("s1", "", producer("e", s.edge("e").Revision, "l2")))
	s.refused(state.DeleteEdge{Name: "e", Expect: 1}, api.ErrConflict)
	s.refused(state.DeleteEdge{Name: "x", Expect: 1}, api.ErrNotFound)
	r := s.must(state.DeleteEdge{Name: "e", Expect: s.edge("e").Revision})
	require.Len(t, r.Ended, 1)
	require.Zero(t, s.state.Leased("n1"))
	require.Empty(t, slices.Collect(s.state.EdgesOf("s1")))
	s.must(change("s1", "", producer("e", 0, "l3")))
	require.Equal(t, fence.Epoch(3), s.edge("e").Generation)

	// Forgotten tombstones leave a floor, for every edge.
	s.must(state.DeleteEdge{Name: "e", Expect: s.edge("e").Revision})
	s.state = state.ForgetTombstones(s.state)
	s.must(change("s1", "", producer("e", 0, "l4"), producer("new", 0, "l5")))
	require.Equal(t, fence.Epoch(4), s.edge("e").Generation)
	require.Equal(t, fence.Epoch(4), s.edge("new").Generation)
}

func TestHistoryKeepsTheLast(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "", producer("e", 0, lease.NewID())))
	for range state.HistoryMax + 5 {
		c := change("s1", "", moved("e", s.edge("e").Revision, lease.NewID()))
		c.Reason, c.Detail = api.ReasonRingLost, "why"+strings.Repeat("é", 4096)
		s.must(c)
	}
	h := s.state.History("e")
	require.Len(t, h, state.HistoryMax)
	require.Equal(t, s.edge("e").Revision, h[len(h)-1].Revision)
	require.Equal(t, "why"+strings.Repeat("é", 510), h[0].Detail, "cut to 1024 bytes, between characters")
	require.Nil(t, s.state.History("x"))
}
