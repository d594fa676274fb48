package state_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// A client that hears nothing sends copies of a change. One that comes after its edge was deleted found an edge that does not
// exist, as it expected, and made it anew: found by the simulation.
func TestALateCopyDoesNotBringADeletedEdgeBack(t *testing.T) {
	s := newScript(t)
	s.must(state.Upgrade{Level: 2})
	made := s.must(change("s1", "op1", producer("p.a", 0, "l1"))).Edges[0]
	s.must(state.DeleteEdge{Name: "p.a", Expect: made.Revision})

	s.refused(change("s1", "op1", producer("p.a", 0, "l2")), api.ErrConflict)
	s.refused(change("s1", "op1", producer("p.b", 0, "l3"), producer("p.a", 0, "l4")), api.ErrConflict)

	again := s.must(change("s1", "op2", producer("p.a", 0, "l5"))).Edges[0]
	require.Greater(t, again.Generation, made.Generation)
	again = s.must(change("s1", "op3", producer("p.a", again.Revision, "l6"))).Edges[0]
	s.must(state.DeleteEdge{Name: "p.a", Expect: again.Revision})
	s.refused(change("s1", "op1", producer("p.a", 0, "l7")), api.ErrConflict)
	s.refused(change("s1", "op2", producer("p.a", 0, "l8")), api.ErrConflict)
	s.must(change("s1", "op4", producer("p.a", 0, "l9")))
}

func TestALateCopyDoesNotBringBackWhatARestoreHasUndone(t *testing.T) {
	s := newScript(t)
	s.must(state.Upgrade{Level: 2})
	before := s.state
	s.must(change("s1", "op1", producer("p.a", 0, "l1")))
	s.state = before.RestoredOver(s.state)
	require.NoError(t, s.state.Verify())
	s.refused(change("s1", "op1", producer("p.a", 0, "l2")), api.ErrConflict)
	s.must(change("s1", "op2", producer("p.a", 0, "l3")))
}
