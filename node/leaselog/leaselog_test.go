package leaselog

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/registry"
)

func TestAppliedSaysWhatAnEntryDid(t *testing.T) {
	l := registry.Lease{ID: "l1", TTL: time.Second, Seq: 3}
	s := registry.Session{ID: "s1", TTL: time.Minute, Seq: 4}
	terms := []leasebroker.Timed{
		{Key: leasebroker.Key{Lease: "l1"}, TTL: time.Second, Seq: 3},
		{Key: leasebroker.Key{Session: "s1"}, TTL: time.Minute, Seq: 4},
	}
	result := registry.Result{Leases: []registry.Lease{l}, Sessions: []registry.Session{s}}
	require.Equal(t, leasebroker.Applied{Index: 9, Term: 2, Allowed: terms}, Applied(9, 2, registry.Allowance{}, result))
	require.Equal(t, leasebroker.Applied{Index: 9, Term: 2, Granted: terms}, Applied(9, 2, registry.ChangeEdges{}, result))

	ended := Applied(9, 2, registry.Expire{}, registry.Result{Ended: []registry.Ended{{ID: "l1"}}})
	require.Contains(t, ended.Ended, leasebroker.Key{Lease: "l1"})
	require.Empty(t, ended.Granted)

	refused := Applied(9, 2, registry.Expire{}, registry.Result{Err: api.ErrConflict, Ended: []registry.Ended{{ID: "l1"}}})
	require.Equal(t, leasebroker.Applied{Index: 9, Term: 2}, refused)
}

func TestSnapshotHasAllThatIsTimed(t *testing.T) {
	state := registry.NewState()
	for i, c := range []registry.Command{
		registry.RegisterNode{Node: "n1", Address: "127.0.0.1:1", Memory: 1 << 20},
		registry.OpenSession{Session: "s1", Stage: "p", Node: "n1", Incarnation: 1, TTL: time.Minute},
		registry.GrantLease{Lease: "l1", Kind: lease.KindMemory, Node: "n1", Session: "s1", Bytes: 1, TTL: 10 * time.Second},
	} {
		var r registry.Result
		state, r = state.Step(registry.Entry{Index: uint64(i + 1), Term: 1, Command: c})
		require.NoError(t, r.Err)
	}
	require.Equal(t, leasebroker.Snapshot{Index: 3, Terms: []leasebroker.Timed{
		{Key: leasebroker.Key{Lease: "l1"}, TTL: 10 * time.Second}, {Key: leasebroker.Key{Session: "s1"}, TTL: time.Minute},
	}}, Snapshot(state))
}
