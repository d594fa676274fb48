package state_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// chronicle is all that was ever seen of a cluster and of those that came out of it: what may never be seen again.
type chronicle struct {
	t        *rapid.T
	states   []*state.State
	tops     map[string]fence.Epoch // by edge
	revision api.Revision
}

// leapt looks at a state that does not come from the one before by a command.
func (c *chronicle) leapt(s *state.State) {
	require.NoError(c.t, s.Verify())
	require.Greater(c.t, s.Revision(), c.revision)
	for r := range s.Edges("") {
		require.Greater(c.t, r.Generation, c.tops[r.Name], "edge %s", r.Name)
		require.True(c.t, r.API(s).Locator.IsZero(), "no ring has this generation")
	}
	require.Equal(c.t, bytesOf(c.t, s), bytesOf(c.t, reread(c.t, s)))
	require.Equal(c.t, s.Indexes(), reread(c.t, s).Indexes())
	c.saw(s)
}

func (c *chronicle) saw(s *state.State) {
	c.states = append(c.states, s)
	c.revision = max(c.revision, s.Revision())
	for r := range s.Edges("") {
		c.tops[r.Name] = max(c.tops[r.Name], r.Generation)
		if r.Spare != nil {
			c.tops[r.Name] = max(c.tops[r.Name], r.Spare.Generation)
		}
	}
}

// Whatever is snapshot, lost with a majority, recovered and restored, however often: no edge has a generation twice, also when it
// was deleted and created again, and no revision comes twice, in none of the histories that there have been.
func TestJumpsRepeatNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := beginning(t)
		current, term := start.state, uint64(1)
		c := &chronicle{t: t, tops: map[string]fence.Epoch{}}
		c.saw(current)
		g := &generator{t: t}
		for range rapid.IntRange(1, 80).Draw(t, "length") {
			switch rapid.IntRange(0, 15).Draw(t, "what") {
			case 0: // a member that had not heard of all of it goes on alone
				members := slices.DeleteFunc(slices.Clone(c.states), func(s *state.State) bool {
					return s.Cluster() != current.Cluster()
				})
				current = rapid.SampledFrom(members).Draw(t, "survivor").Recovered()
				c.leapt(current)
			case 1:
				was := current
				current = reread(t, rapid.SampledFrom(c.states).Draw(t, "snapshot")).RestoredOver(was)
				require.Equal(t, was.Cluster(), current.Cluster())
				c.leapt(current)
			default:
				g.state = current
				before := current
				var r state.Result
				current, r = current.Step(state.Entry{Index: current.Index() + 1, Term: term, Command: g.command()})
				require.NoError(t, current.Verify())
				for edge := range current.Edges("") {
					was, _ := before.Edge(edge.Name)
					if top := granted(t, was, edge, c.tops[edge.Name]); top != c.tops[edge.Name] {
						require.NoError(t, r.Err)
					}
				}
				c.saw(current)
			}
		}
	})
}

func TestRecoveredIsAnotherCluster(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "op", producer("e", 0, "l1"), producer("f", 0, "l2")))
	s.must(state.DeleteEdge{Name: "f", Expect: s.edge("f").Revision})
	s.must(state.GrantLease{Lease: "m", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: lease.TTLDefault})
	was, index := s.state, s.state.Index()
	s.state = s.state.Recovered()
	require.Equal(t, index, s.state.Index())
	require.Equal(t, was.Revision()+1<<40, s.state.Revision())
	require.Equal(t, "c.2", s.state.Cluster())
	require.Equal(t, "c.3", s.state.Recovered().Cluster())
	require.EqualValues(t, 2, s.state.Level())
	e := s.edge("e")
	require.Equal(t, fence.Epoch(1<<40+2), e.Generation)
	require.Equal(t, api.ReasonRestored, e.Reason)
	require.Equal(t, lease.SessionID("s1"), e.Producer.Session)
	require.Len(t, s.state.History("e"), 2)
	_, ok := s.state.Lease("m")
	require.True(t, ok, "what is no ring stays")
	require.EqualValues(t, 1, s.state.Leased("n1"))
	status, _ := s.state.Ended("l1")
	require.Equal(t, lease.Revoked, status)
	s.refused(change("s1", "op", producer("e", was.Revision(), "l3")), api.ErrConflict)
	s.must(change("s1", "op2", producer("e", e.Revision, "l3"), producer("f", 0, "l4")))
	require.Equal(t, fence.Epoch(1<<40+3), s.edge("e").Generation)
	require.Greater(t, s.edge("f").Generation, fence.Epoch(1<<32))
}

func TestLineageHasRoomInTheID(t *testing.T) {
	for id, want := range map[string]string{"": ".2", "c": "c.2", "c.2": "c.3", "c.9": "c.10", "c.1": "c.1.2", "c.x": "c.x.2"} {
		require.Equal(t, want, state.Successor(id))
	}
	long := string(bytes.Repeat([]byte{'x'}, 64))
	require.Equal(t, long[:62]+".2", state.Successor(long))
	require.Equal(t, long[:62]+".3", state.Successor(state.Successor(long)))
}

func TestRestoreKeepsWhatIsThere(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "", producer("kept", 0, "l1"), producer("deleted", 0, "l2")))
	s.must(state.PutCheckpoint{Key: "k", Epoch: 1, Write: true, Value: []byte("abc"), Sum: 0x364b3fb7})
	snapshot := s.state
	s.must(state.DeleteEdge{Name: "deleted", Expect: s.edge("deleted").Revision})
	s.must(change("s2", "", producer("kept", s.edge("kept").Revision, "l3"), producer("new", 0, "l4")))
	s.must(state.PutCheckpoint{Key: "k", Epoch: 7, Write: true})
	s.must(state.PutCheckpoint{Key: "k2", Epoch: 5, Write: true})
	s.must(state.GrantLease{Lease: "b", Kind: lease.KindBlock, Node: "n1", Session: "s1", Name: "region", Bytes: 1, TTL: lease.TTLDefault})
	s.must(state.EndSession{Session: "s1"})
	s.must(state.RegisterNode{Node: "n1", Address: "127.0.0.1:7000", Memory: 1 << 20})
	current := s.state
	s.state = snapshot.RestoredOver(current)
	require.NoError(t, s.state.Verify())

	require.Equal(t, lease.SessionID("s2"), s.edge("kept").Producer.Session, "who has a role now keeps it")
	require.Equal(t, fence.Epoch(2), s.edge("kept").Producer.Epoch)
	require.True(t, s.edge("deleted").Producer.Free())
	_, ok := s.state.Edge("new")
	require.False(t, ok)
	n, _ := s.state.Node("n1")
	require.EqualValues(t, 2, n.Incarnation)
	_, ok = s.state.Region("region")
	require.True(t, ok)
	_, ok = s.state.Session("s1")
	require.False(t, ok)
	k, _ := s.state.Checkpoint("k")
	require.Equal(t, []byte("abc"), k.Value)
	require.Equal(t, fence.Epoch(7), k.Epoch)
	s.refused(state.PutCheckpoint{Key: "k2", Epoch: 4}, fence.ErrFenced)
	s.must(change("s2", "", producer("new", 0, "l5")))
	require.Greater(t, s.edge("new").Generation, fence.Epoch(1<<32))
	require.Zero(t, s.state.Leased("n2"))
}

// TestARestoreUndoesEntries has a restore that was prepared before the last entries of the log, as when they come in while it is
// on its way. What they granted may be known outside, and be in a snapshot.
func TestARestoreUndoesEntries(t *testing.T) {
	s := newScript(t)
	s.must(change("s1", "", producer("e", 0, "l1")))
	s.must(state.GrantLease{Lease: "m", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: lease.TTLDefault})
	before := s.state
	s.must(change("s2", "", producer("e", s.edge("e").Revision, "l2")))
	taken := s.edge("e").Producer
	s.must(state.Allowance{Term: s.term, Leases: []state.Mark[lease.ID]{{ID: "m", Seq: 0}}, Sessions: []state.Mark[lease.SessionID]{{ID: "s1", Seq: 0}}})
	undone := s.state
	s.state = before.RestoredOver(before)
	require.Equal(t, lease.SessionID("s1"), s.edge("e").Producer.Session)

	s.must(state.Expire{Term: s.term, Leases: []state.Mark[lease.ID]{{ID: "m", Seq: 1}}, Sessions: []state.Mark[lease.SessionID]{{ID: "s1", Seq: 1}}})
	s.must(state.Allowance{Term: s.term, Leases: []state.Mark[lease.ID]{{ID: "m", Seq: 0}}})
	m, active := s.state.Lease("m")
	require.True(t, active, "an expiry that was proposed before")
	require.Equal(t, uint64(1<<32), m.Seq, "an allowance that was proposed before")

	s.state = undone.RestoredOver(s.state)
	require.NoError(t, s.state.Verify())
	require.Equal(t, taken.Epoch, s.edge("e").Producer.Epoch)
	require.True(t, s.edge("e").Producer.Free(), "the epoch is s2's, and s1 has the role")
}

func TestImpossibleNumbersAreCorrupt(t *testing.T) {
	for _, index := range []uint64{1 << 62, math.MaxUint64} {
		s, _ := state.New().Step(state.Entry{Index: index, Command: state.Nothing{}})
		_, err := state.Read(bytes.NewReader(bytesOf(t, s)))
		require.ErrorIs(t, err, api.ErrCorrupt)
	}
}
