package state_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// However entries are put together in runs: the states, the answers and what watches are told are those of single steps, refusals
// among them, and no state that was there before a run is touched by it.
func TestRunsAreSteps(t *testing.T) {
	refused := 0
	rapid.Check(t, func(t *rapid.T) {
		start := newScript(t)
		g := &generator{t: t, state: start.state}
		begun, was, run := start.state, bytesOf(t, start.state), start.state.Begin()
		for i := range uint64(rapid.IntRange(1, 80).Draw(t, "length")) {
			c := g.command()
			if up, ok := c.(state.Upgrade); ok && up.Level > state.Level {
				continue
			}
			e := state.Entry{Index: start.index + 1 + i, Term: 1, Proposed: int64(i), Command: c}
			before := g.state
			after, want := before.Step(e)
			got, told := run.Step(e)
			if got.Err != nil {
				refused++
			}
			require.Equal(t, want, got, "%#v", c)
			require.Equal(t, len(want.Changes), len(told))
			if len(told) > 0 {
				require.Equal(t, state.ChangesOf(before, after, e, want), told, "%#v", c)
			}
			require.Equal(t, after.Revision(), run.Revision())
			g.state = after
			if rapid.IntRange(0, 7).Draw(t, "publish") == 0 {
				require.Equal(t, was, bytesOf(t, begun), "a run touches only what is its own")
				begun = published(t, run, after)
				was, run = bytesOf(t, begun), begun.Begin()
			}
		}
		published(t, run, g.state)
	})
	require.NotZero(t, refused)
}

func published(t *rapid.T, run *state.Run, want *state.State) *state.State {
	got := run.State()
	require.NoError(t, got.Verify())
	require.Equal(t, bytesOf(t, want), bytesOf(t, got))
	require.Equal(t, want.Indexes(), got.Indexes())
	return got
}

// A command may be refused after it has changed something: here the second of two new rings finds no room when the first is granted.
// By then a run has changed nodes in place that are its own.
func TestARefusalLeavesARunAsItWas(t *testing.T) {
	s := newScript(t)
	run, index := s.state.Begin(), s.index
	step := func(c state.Command) state.Result {
		index++
		want := s.do(c)
		got, _ := run.Step(state.Entry{Index: index, Term: s.term, Proposed: int64(index), Command: c})
		require.Equal(t, want, got)
		return got
	}
	sized := func(name string, expect api.Revision, l lease.ID, bytes uint64) state.EdgeChange {
		e := producer(name, expect, l)
		e.Capacity = bytes
		return e
	}
	first := step(change("s1", "op1", sized("p.a", 0, "l1", 1<<19), sized("p.b", 0, "l2", 1<<18)))
	require.NoError(t, first.Err)
	for range 2 { // the run begins anew each time
		refused := step(change("s1", "op2", sized("p.a", first.Revision, "l3", 1<<18), sized("p.b", first.Revision, "l4", 1<<20)))
		require.ErrorIs(t, refused.Err, api.ErrNoRoom)
		require.NoError(t, step(change("s1", "op3", sized("p.c", 0, lease.NewID(), 1<<16))).Err)
		require.NoError(t, step(state.DeleteEdge{Name: "p.c", Expect: run.Revision()}).Err)
		require.NoError(t, step(state.GrantLease{Lease: lease.ID(fmt.Sprint("m", index)), Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1,
			TTL: lease.TTLDefault}).Err)
	}
	got := run.State()
	require.NoError(t, got.Verify())
	require.Equal(t, bytesOf(t, s.state), bytesOf(t, got))
	require.Equal(t, s.state.Indexes(), got.Indexes())
}
