package state_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// releasedLevel is the highest of a release, whose snapshots are never written anew.
const releasedLevel = 2

var update = flag.Bool("update", false, "write the snapshots of the levels that are unreleased anew")

// golden returns what the golden snapshot of a level restores, which must be what that level writes of a state.
func golden(t *testing.T, want *state.State) *state.State {
	t.Helper()
	path := filepath.Join("testdata", fmt.Sprintf("level%d.snapshot", want.Level()))
	if *update && want.Level() > releasedLevel {
		require.NoError(t, os.WriteFile(path, bytesOf(t, want), 0o644))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, b, bytesOf(t, want))
	s, err := state.Read(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, b, bytesOf(t, s))
	require.Equal(t, want.Level(), s.Level())
	return s
}

// furnished returns a state with something of everything in it.
func furnished(t require.TestingT) *state.State {
	s := newScript(t)
	s.must(change("s1", "op1", producer("p.a", 0, "l1"), consumer("p.b", 0, "l2"), producer("p.c", 0, "l3")))
	s.must(change("s2", "op2", consumer("p.a", s.edge("p.a").Revision, "l4")))
	s.must(state.DeleteEdge{Name: "p.c", Expect: s.edge("p.c").Revision})
	s.must(state.GrantLease{Lease: "m1", Kind: lease.KindMemory, Node: "n2", Session: "s1", Bytes: 4096, TTL: lease.TTLDefault})
	s.must(state.GrantLease{Lease: "b1", Kind: lease.KindBlock, Node: "n2", Session: "s3", Name: "r", Bytes: 4096, TTL: lease.TTLDefault})
	s.must(state.PutCheckpoint{Key: "p/parse", Epoch: 3, Write: true, Value: []byte("abc"), Sum: 0x364b3fb7})
	s.must(state.Allowance{Term: 1, Leases: []state.Mark[lease.ID]{{ID: "l4"}}, Sessions: []state.Mark[lease.SessionID]{{ID: "s1"}}})
	s.must(state.EndSession{Session: "s3"})
	s.must(state.RevokeLease{Lease: "l2", Detail: "maintenance"})
	return s.state
}

// The golden snapshot is what version 0.1.0 wrote. Every later version restores it.
func TestGoldenSnapshotRestores(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "v1.snapshot"))
	require.NoError(t, err)
	s, err := state.Read(bytes.NewReader(golden))
	require.NoError(t, err)

	edges, leases, sessions, nodes := s.Counts()
	require.Equal(t, []int{2, 3, 2, 2}, []int{edges, leases, sessions, nodes})
	a, ok := s.Edge("p.a")
	require.True(t, ok)
	require.Equal(t, fence.Epoch(2), a.Generation)
	require.Equal(t, "op2", a.Op.ID)
	require.Len(t, s.History("p.a"), 2)
	b, _ := s.Edge("p.b")
	require.Equal(t, api.ReasonRevoked, b.Reason)
	cp, _ := s.Checkpoint("p/parse")
	require.Equal(t, []byte("abc"), cp.Value)
	status, _ := s.Ended("s3")
	require.Equal(t, lease.Released, status)

	fork := &script{t: t, state: s, index: uint64(s.Revision()), term: s.Term()}
	fork.must(change("s1", "", producer("p.c", 0, "l9")))
	require.Equal(t, fence.Epoch(2), fork.edge("p.c").Generation, "the tombstone counts")
	require.Equal(t, golden, bytesOf(t, s), "this version writes what it read; if not, raise the encoding's version")
}

// level1.snapshot is what version 0.1.0 made of the commands of furnished.
func TestLevel1IsVersion010(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join("testdata", "level1.snapshot"))
	require.NoError(t, err)
	require.Equal(t, golden, bytesOf(t, furnished(t)))
}

// upgraded returns a state with something of everything that level 2 has brought.
func upgraded(t require.TestingT) *state.State {
	first := furnished(t)
	s := &script{t: t, state: first, index: first.Index(), term: 2}
	s.must(state.Upgrade{Level: 2})
	s.must(state.DeleteEdge{Name: "p.b", Expect: s.edge("p.b").Revision, Op: "op3"})
	s.must(state.GrantLease{Lease: "b2", Kind: lease.KindBlock, Node: "n2", Session: "s2", Name: "r", Bytes: 4096, TTL: lease.TTLDefault})
	s.must(state.RegisterNode{Node: "n3", Address: "127.0.0.3:7000", Memory: 1 << 20})
	ec := consumer("p.d", 0, "l5")
	ec.Node = "n3"
	s.must(change("s2", "op4", ec))
	s.must(state.RemoveNode{Node: "n3", Force: true, Detail: "burnt"})
	s.state = s.state.RestoredOver(s.state)
	s.must(change("s2", "op5", consumer("p.a", s.edge("p.a").Revision, "l6")))
	return s.state
}

// The second golden snapshot is what level 2 writes. Every later version restores it, too.
func TestGoldenSnapshotOfLevel2Restores(t *testing.T) {
	want := upgraded(t)
	s := golden(t, want)
	require.Equal(t, want.Index(), s.Index())
	require.Greater(t, s.Revision(), api.Revision(1<<32))
	d, _ := s.Edge("p.d")
	require.True(t, d.API(s).Locator.IsZero())
}

// spared returns a state with something of everything that level 3 has brought: a spare that is armed, one that was lost, one that
// is the ring now, and those of a deleted edge.
func spared(t require.TestingT) *state.State {
	first := upgraded(t)
	s := &script{t: t, state: first, index: first.Index(), term: 2}
	s.must(state.Upgrade{Level: 3})
	s.must(state.OpenSession{Session: "s4", Stage: "stage", Node: "n2", Incarnation: 1, TTL: lease.TTLDefault})
	for i, name := range []string{"q.armed", "q.lost", "q.moved", "q.deleted"} {
		id := func(kind string) lease.ID { return lease.ID(kind + string(rune('0'+i))) }
		s.must(change("s4", "make "+name, producer(name, 0, id("p"))))
		s.must(change("s2", "take "+name, consumer(name, s.edge(name).Revision, id("c"))))
		s.must(state.ChangeSpare{Op: "arm", Session: "s4", Edge: name, Expect: s.edge(name).Revision, Arm: true, Lease: id("spare"), Node: "n1",
			TTL: lease.TTLDefault, Reason: api.ReasonSpareArmed})
	}
	s.must(state.RevokeLease{Lease: "spare1", Detail: "maintenance"})
	s.must(state.ChangeSpare{Op: "confirm", Session: "s4", Edge: "q.moved", Confirm: s.edge("q.moved").Spare.Generation, Arm: true, Lease: "t2",
		Node: "n2", TTL: lease.TTLDefault, Reason: api.ReasonRingLost, Detail: "reset"})
	s.must(state.DeleteEdge{Name: "q.deleted", Expect: s.edge("q.deleted").Revision})
	return s.state
}

// The third golden snapshot is what level 3 writes.
func TestGoldenSnapshotOfLevel3Restores(t *testing.T) {
	s := golden(t, spared(t))
	armed, _ := s.Edge("q.armed")
	require.NoError(t, armed.API(s).Spare.Locator.Validate())
	lost, _ := s.Edge("q.lost")
	require.Nil(t, lost.API(s).Spare)
	require.Greater(t, lost.Spare.Generation, lost.Generation, "it does not come again")
}

// drained returns a state with something of everything that level 4 has brought: a planned move, and nodes that are being drained.
func drained(t require.TestingT) *state.State {
	first := spared(t)
	s := &script{t: t, state: first, index: first.Index(), term: 2}
	s.must(state.Upgrade{Level: 4})
	s.must(state.ChangeSpare{Edge: "q.armed", Expect: s.edge("q.armed").Revision, Arm: true, Planned: true, Lease: "plan", Node: "n1",
		TTL: lease.TTLDefault, Reason: api.ReasonRequested})
	s.must(state.DrainNode{Node: "n1", Drain: api.DrainUntilEnabled})
	s.must(state.DrainNode{Node: "n2", Drain: api.DrainUntilStart})
	return s.state
}

// The fourth golden snapshot is what level 4 writes.
func TestGoldenSnapshotOfLevel4Restores(t *testing.T) {
	s := golden(t, drained(t))
	armed, _ := s.Edge("q.armed")
	require.True(t, armed.API(s).Spare.Planned)
	n, _ := s.Node("n2")
	require.Equal(t, api.DrainUntilStart, n.API(s).Drain)
}

// ruled returns a state with something of everything that level 5 has brought: tokens, and a session with rules.
func ruled(t require.TestingT) *state.State {
	first := drained(t)
	s := &script{t: t, state: first, index: first.Index(), term: 2}
	s.must(state.Upgrade{Level: 5})
	rules := api.Rules{{Prefix: "etl.", Rights: []api.Right{api.RightRead, api.RightCAS}}, {Prefix: "", Rights: []api.Right{api.RightWatch}}}
	s.must(state.PutToken{Token: "t1", Name: "ci", Hash: [32]byte{1, 31: 9}, Rules: rules, Expires: 1 << 40})
	s.must(state.PutToken{Token: "t2", Hash: [32]byte{2}, Rules: rules[1:]})
	s.must(state.PutToken{Token: "t3", Hash: [32]byte{3}, Rules: rules[1:]})
	s.must(state.RemoveToken{Token: "t3"})
	s.must(state.OpenSession{Session: "s5", Stage: "stage", Node: "n1", Incarnation: 1, TTL: lease.TTLDefault, Rules: rules})
	return s.state
}

// The fifth golden snapshot is what level 5 writes.
func TestGoldenSnapshotOfLevel5Restores(t *testing.T) {
	s := golden(t, ruled(t))
	token, _ := s.Token("t1")
	require.Equal(t, [32]byte{1, 31: 9}, token.Hash)
	require.True(t, token.Rules.Allow(api.RightCAS, "etl.a"))
	require.Len(t, slices.Collect(s.Tokens()), 2)
	session, _ := s.Session("s5")
	require.Equal(t, token.Rules, session.Rules)
}

// amended returns a state with something of everything that level 6 has brought: a node that takes nothing new, and one that lends less.
func amended(t require.TestingT) *state.State {
	first := ruled(t)
	s := &script{t: t, state: first, index: first.Index(), term: 2}
	s.must(state.Upgrade{Level: 6})
	s.must(state.SetEligibility{Node: "n1", Ineligible: true})
	s.must(state.ResizeNode{Node: "n2", Incarnation: 1, Memory: 7})
	return s.state
}

// The sixth golden snapshot is what level 6 writes.
func TestGoldenSnapshotOfLevel6Restores(t *testing.T) {
	s := golden(t, amended(t))
	n, _ := s.Node("n1")
	require.True(t, n.API(s).Ineligible)
	n, _ = s.Node("n2")
	require.EqualValues(t, 7, n.Memory)
}
