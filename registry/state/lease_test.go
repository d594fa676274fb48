package state_test

import (
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/state"
)

func TestEndOfSessionFreesRoles(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "", producer("e", 0, "l1"), consumer("f", 0, "l2")))
	s.must(change("s2", "", consumer("e", s.edge("e").Revision, "l3")))
	s.must(state.GrantLease{Lease: "m", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 100, TTL: lease.TTLDefault})
	s.must(state.GrantLease{Lease: "b", Kind: lease.KindBlock, Node: "n1", Session: "s1", Name: "region", Bytes: 100, TTL: lease.TTLDefault})
	before := s.edge("e")
	r := s.must(state.EndSession{Session: "s1"})
	e := s.edge("e")
	require.Equal(t, before.Generation, e.Generation)
	require.Greater(t, e.Revision, before.Revision)
	require.Equal(t, api.ReasonGone, e.Reason)
	require.True(t, e.Producer.Free())
	require.Equal(t, before.Producer.Epoch, e.Producer.Epoch)
	require.Equal(t, before.Producer.Stage, e.Producer.Stage)
	require.Equal(t, before.Consumer, e.Consumer)
	require.True(t, s.edge("f").Consumer.Free())
	require.Len(t, r.Ended, 2, "the session and its memory; rings and block regions go on")
	_, ok := s.state.Lease("m")
	require.False(t, ok)
	b, ok := s.state.Region("region")
	require.True(t, ok)
	require.Empty(t, b.Session)
	s.refused(state.EndSession{Session: "s1"}, api.ErrSessionLost)
	s.refused(state.OpenSession{Session: "s1", Stage: "stage", Node: "n1", Incarnation: 1, TTL: lease.TTLDefault}, api.ErrSessionLost)
	require.Len(t, slices.Collect(s.state.SessionsOn("n1")), 2)
}

func TestBlockRegionsHaveSuccessors(t *testing.T) {
	s := newScript(t)
	grant := state.GrantLease{Lease: "b", Kind: lease.KindBlock, Node: "n1", Session: "s1", Name: "region", Bytes: 4096, TTL: lease.TTLDefault}
	first := s.must(grant).Leases[0]
	grant.Lease, grant.Session, grant.Node = "b2", "s2", "n2"
	second := s.must(grant).Leases[0]
	require.Equal(t, lease.ID("b"), second.ID)
	require.Equal(t, locator.NodeID("n1"), second.Node)
	require.Greater(t, second.Epoch, first.Epoch)
	s.refused(state.ReleaseLease{Lease: "b", Session: "s1"}, fence.ErrFenced)
	grant.Bytes = 8192
	s.refused(grant, api.ErrConflict)
	s.must(state.ReleaseLease{Lease: "b", Session: "s2"})
	_, ok := s.state.Region("region")
	require.False(t, ok)
	require.Greater(t, s.must(grant).Leases[0].Epoch, second.Epoch)
}

func TestLeasesAreGrantedOnceAndEnd(t *testing.T) {
	s := newScript(t)
	grant := state.GrantLease{Lease: "m", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1 << 20, TTL: lease.TTLDefault}
	first := s.must(grant)
	require.Equal(t, first.Leases, s.must(grant).Leases)
	other := grant
	other.Lease = "m2"
	s.refused(other, api.ErrNoRoom)
	other.Kind, other.Name = "tape", ""
	s.refused(other, api.ErrInvalid)
	other.Kind, other.Name = lease.KindMemory, "named"
	s.refused(other, api.ErrInvalid)
	s.refused(state.ReleaseLease{Lease: "none"}, api.ErrNotFound)
	s.must(state.RevokeLease{Lease: "m"})
	s.refused(state.ReleaseLease{Lease: "m", Session: "s1"}, lease.ErrRevoked)
	s.refused(grant, api.ErrInvalid)
	require.Zero(t, s.state.Leased("n1"))
}

func TestLostRingsAreNotedInTheirRecord(t *testing.T) {
	for reason, lose := range map[api.Reason]func(s *script) state.Command{
		api.ReasonRevoked: func(*script) state.Command { return state.RevokeLease{Lease: "l1"} },
		api.ReasonExpired: func(s *script) state.Command {
			return state.Expire{Term: s.term, Leases: []state.Mark[lease.ID]{{ID: "l1"}}}
		},
	} {
		s := newScript(t)
		s.must(change("s1", "", producer("e", 0, "l1")))
		before := s.edge("e")
		r := s.must(lose(s))
		require.Len(t, r.Ended, 1)
		e := s.edge("e")
		require.Equal(t, reason, e.Reason)
		require.Equal(t, before.Generation, e.Generation)
		require.Greater(t, e.Revision, before.Revision)
		require.Equal(t, before.Producer, e.Producer)
		s.refused(state.AdoptLease{Lease: "l1", Node: "n1", Incarnation: 1}, map[api.Reason]error{
			api.ReasonRevoked: lease.ErrRevoked, api.ReasonExpired: lease.ErrExpired}[reason])
		s.must(change("s1", "", producer("e", e.Revision, "l2")))
	}
}

// What a deposed leader decided, and what was decided on an older allowance, does nothing.
func TestLateExpiriesAreNothing(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "", producer("e", 0, "l1")))
	leases, sessions := []state.Mark[lease.ID]{{ID: "l1"}}, []state.Mark[lease.SessionID]{{ID: "s1"}}
	s.refused(state.Expire{Term: s.term - 1, Leases: leases, Sessions: sessions}, api.ErrConflict)
	s.refused(state.Allowance{Term: s.term + 1, Leases: leases, Sessions: sessions}, api.ErrConflict)
	allowed := s.must(state.Allowance{Term: s.term, Leases: leases, Sessions: sessions})
	require.Equal(t, uint64(1), allowed.Leases[0].Seq)
	require.Equal(t, uint64(1), allowed.Sessions[0].Seq)
	late := s.must(state.Expire{Term: s.term, Leases: leases, Sessions: sessions})
	require.Empty(t, late.Ended)
	leases[0].Seq, sessions[0].Seq = 1, 1
	due := s.must(state.Expire{Term: s.term, Leases: leases, Sessions: sessions})
	require.Len(t, due.Ended, 2)
	status, _ := s.state.Ended("s1")
	require.Equal(t, lease.Expired, status)
	require.Equal(t, api.ReasonGone, s.edge("e").Reason)
}

func TestNodesComeBack(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "", producer("e", 0, "l1")))
	open := state.OpenSession{Session: "s9", Stage: "stage", Node: "n1", Incarnation: 1, TTL: lease.TTLDefault, Token: [32]byte{1}}
	s.must(open)
	s.must(open)
	n := s.must(state.RegisterNode{Node: "n1", Zone: "a", Address: "127.0.0.9:7000", Memory: 1 << 20}).Node
	require.Equal(t, uint64(2), n.Incarnation)
	require.Equal(t, "127.0.0.9:7000", s.edge("e").API(s.state).Locator.Address)

	s.refused(state.AdoptLease{Lease: "l1", Node: "n1", Incarnation: 1}, fence.ErrFenced)
	s.refused(state.AdoptLease{Lease: "l1", Node: "n2", Incarnation: 1}, api.ErrInvalid)
	rev := s.edge("e").Revision
	adopted := s.must(state.AdoptLease{Lease: "l1", Node: "n1", Incarnation: 2})
	require.Equal(t, uint64(2), adopted.Leases[0].Incarnation)
	require.Equal(t, api.ReasonRecovered, s.edge("e").Reason)
	require.Greater(t, s.edge("e").Revision, rev)
	rev = s.edge("e").Revision
	s.must(state.AdoptLease{Lease: "l1", Node: "n1", Incarnation: 2})
	require.Equal(t, rev, s.edge("e").Revision, "once is enough")

	adopt := state.AdoptSession{Session: "s9", Token: [32]byte{1}, Node: "n1", Incarnation: 2}
	for _, bend := range []func(*state.AdoptSession){
		func(c *state.AdoptSession) { c.Token = [32]byte{2} },
		func(c *state.AdoptSession) { c.Node = "n2" },
	} {
		bad := adopt
		bend(&bad)
		s.refused(bad, api.ErrInvalid)
	}
	s.must(adopt)
	s.refused(state.EndSession{Session: "s9", Incarnation: 1}, api.ErrConflict)
	s.must(state.EndSession{Session: "s9", Incarnation: 2})
	s.refused(adopt, api.ErrSessionLost)
	open.Session, open.Node = "s10", "n9"
	s.refused(open, api.ErrNotFound)
	open.Node = "n1"
	s.refused(open, fence.ErrFenced)
	s.refused(state.RegisterNode{Node: "n3", Address: "somewhere"}, api.ErrInvalid)

	once := state.RegisterNode{Node: "n3", Address: "127.0.0.3:7000", Incarnation: 1}
	s.refused(state.RegisterNode{Node: "n3", Address: "127.0.0.3:7000", Incarnation: 2}, api.ErrConflict)
	require.EqualValues(t, 1, s.must(once).Node.Incarnation)
	s.refused(once, api.ErrConflict) // late, and a second time
	once.Incarnation = 2
	require.EqualValues(t, 2, s.must(once).Node.Incarnation)
}

func TestCheckpointsAreFenced(t *testing.T) {
	s := newScript(t)
	value := []byte("state")
	sum := crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli))
	fenced := s.must(state.PutCheckpoint{Key: "k", Epoch: 5}).Checkpoint
	require.Nil(t, fenced.Value)
	require.Equal(t, fence.Epoch(5), fenced.Epoch)
	s.refused(state.PutCheckpoint{Key: "k", Epoch: 4, Write: true, Value: value, Sum: sum}, fence.ErrFenced)
	s.refused(state.PutCheckpoint{Key: "k", Epoch: 5, Write: true, Value: value, Sum: sum + 1}, api.ErrCorrupt)
	s.refused(state.PutCheckpoint{Key: "k", Epoch: 5, Write: true, Value: make([]byte, api.CheckpointBytesMax+1)}, api.ErrTooLarge)
	s.refused(state.PutCheckpoint{Epoch: 5}, api.ErrInvalid)
	s.must(state.PutCheckpoint{Key: "k", Epoch: 5, Write: true, Value: value, Sum: sum})
	// A successor's fence leaves the value.
	s.refused(state.PutCheckpoint{Key: "k", Epoch: 5, Write: true, Expect: fenced.Revision, Value: value, Sum: sum}, api.ErrConflict)
	got := s.must(state.PutCheckpoint{Key: "k", Epoch: 6}).Checkpoint
	require.Equal(t, value, got.Value)
	s.refused(state.PutCheckpoint{Key: "k", Epoch: 5, Write: true, Value: value, Sum: sum}, fence.ErrFenced)
}

func TestEndsAreForgottenOldestFirst(t *testing.T) {
	s := newScript(t)
	for range state.EndedMax + 10 {
		s.index++
		id := lease.NewID()
		s.state, _ = s.state.Step(state.Entry{Index: s.index, Term: 1, Command: state.GrantLease{Lease: id,
			Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: lease.TTLDefault}})
		s.index++
		s.state, _ = s.state.Step(state.Entry{Index: s.index, Term: 1, Command: state.RevokeLease{Lease: id}})
		_, ok := s.state.Ended(string(id))
		require.True(t, ok)
	}
	require.NoError(t, s.state.Verify())
	require.Len(t, s.state.Indexes()["ends"], state.EndedMax)
}

func TestClusterIdentityStands(t *testing.T) {
	s := newScript(t)
	s.must(state.InitCluster{Cluster: "c"})
	s.refused(state.InitCluster{Cluster: "d"}, api.ErrConflict)
	require.Equal(t, "c", s.state.Cluster())
}
