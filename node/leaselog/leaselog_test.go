package leaselog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/registry/state"
)

func TestAppliedSaysWhatAnEntryDid(t *testing.T) {
	l := state.Lease{ID: "l1", TTL: time.Second, Seq: 3}
	s := state.Session{ID: "s1", TTL: time.Minute, Seq: 4}
	terms := []leasebroker.Timed{
		{Key: leasebroker.Key{Lease: "l1"}, TTL: time.Second, Seq: 3},
		{Key: leasebroker.Key{Session: "s1"}, TTL: time.Minute, Seq: 4},
	}
	result := state.Result{Leases: []state.Lease{l}, Sessions: []state.Session{s}}
	require.Equal(t, leasebroker.Applied{Index: 9, Term: 2, Allowed: terms}, Applied(9, 2, state.Allowance{}, result))
	require.Equal(t, leasebroker.Applied{Index: 9, Term: 2, Granted: terms}, Applied(9, 2, state.ChangeEdges{}, result))

	ended := Applied(9, 2, state.Expire{}, state.Result{Ended: []state.Ended{{ID: "l1"}}})
	require.Contains(t, ended.Ended, leasebroker.Key{Lease: "l1"})
	require.Empty(t, ended.Granted)

	refused := Applied(9, 2, state.Expire{}, state.Result{Err: api.ErrConflict, Ended: []state.Ended{{ID: "l1"}}})
	require.Equal(t, leasebroker.Applied{Index: 9, Term: 2}, refused)
}

func TestSnapshotHasAllThatIsTimed(t *testing.T) {
	current := state.New()
	for i, c := range []state.Command{
		state.RegisterNode{Node: "n1", Address: "127.0.0.1:1", Memory: 1 << 20},
		state.OpenSession{Session: "s1", Stage: "p", Node: "n1", Incarnation: 1, TTL: time.Minute},
		state.GrantLease{Lease: "l1", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: 10 * time.Second},
	} {
		var r state.Result
		current, r = current.Step(state.Entry{Index: uint64(i + 1), Term: 1, Command: c})
		require.NoError(t, r.Err)
	}
	require.Equal(t, leasebroker.Snapshot{Index: 3, Terms: []leasebroker.Timed{
		{Key: leasebroker.Key{Lease: "l1"}, TTL: 10 * time.Second}, {Key: leasebroker.Key{Session: "s1"}, TTL: time.Minute},
	}}, Snapshot(current))
}
