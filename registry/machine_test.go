package registry

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

func newMachine(fatal *[]error) *machine {
	return &machine{
		hub: newHub(8, 1<<20), logger: slog.New(slog.DiscardHandler), state: state.New(),
		fatal:   func(err error) { *fatal = append(*fatal, err) },
		applied: func(uint64, uint64, state.Command, state.Result) {},
		fresh:   func(*state.State) {},
		told:    func(uint64, uint64) {},
	}
}

func logged(t *testing.T, index uint64, c state.Command) *raft.Log {
	b, err := state.Encode(c, 1)
	require.NoError(t, err)
	return &raft.Log{Index: index, Term: 2, Type: raft.LogCommand, Data: b}
}

func TestMachineShowsTheStateBeforeItTells(t *testing.T) {
	var fatal []error
	m := newMachine(&fatal)
	var seen []state.Entry
	m.applied = func(index, term uint64, c state.Command, r state.Result) {
		require.Equal(t, api.Revision(3), m.hub.view.Load().state.Revision())
		seen = append(seen, state.Entry{Index: index, Term: term, Command: c})
	}
	config := &raft.Log{Index: 2, Term: 2, Type: raft.LogConfiguration}
	answers := m.ApplyBatch([]*raft.Log{logged(t, 1, state.InitCluster{Cluster: "c"}), config, logged(t, 3, state.InitCluster{Cluster: "d"})})
	require.NoError(t, answers[0].(state.Result).Err)
	require.Nil(t, answers[1])
	require.ErrorIs(t, answers[2].(state.Result).Err, api.ErrConflict)
	require.Len(t, seen, 2, "refusals too")
	require.Equal(t, uint64(3), m.hub.view.Load().applied)
	require.Empty(t, fatal)
}

// An entry that cannot be understood stops the node: skipping it would make another state than the peers'.
func TestUnreadableEntriesStopTheMachine(t *testing.T) {
	unknown := logged(t, 2, state.Nothing{}).Data
	unknown[1] = 99
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	binary.LittleEndian.PutUint32(unknown[6:], crc32.Update(crc32.Checksum(unknown[:6], castagnoli), castagnoli, unknown[10:]))
	damaged := logged(t, 2, state.Nothing{})
	damaged.Data[len(damaged.Data)-1] ^= 1
	for name, c := range map[string]struct {
		data []byte
		why  error
	}{"unknown kind": {unknown, state.ErrNewer}, "damaged": {damaged.Data, api.ErrCorrupt}} {
		t.Run(name, func(t *testing.T) {
			var fatal []error
			m := newMachine(&fatal)
			answers := m.ApplyBatch([]*raft.Log{
				logged(t, 1, state.InitCluster{Cluster: "c"}),
				{Index: 2, Term: 2, Type: raft.LogCommand, Data: c.data},
				logged(t, 3, state.RegisterNode{Node: "n", Address: "127.0.0.1:1"}),
			})
			require.NoError(t, answers[0].(state.Result).Err)
			require.ErrorIs(t, answers[1].(state.Result).Err, api.ErrUnknown)
			require.ErrorIs(t, answers[2].(state.Result).Err, api.ErrUnknown)
			require.Len(t, fatal, 1)
			require.ErrorIs(t, fatal[0], c.why)
			require.ErrorContains(t, fatal[0], "log entry 2 of term 2")
			require.Equal(t, uint64(1), m.hub.view.Load().applied)
			require.Equal(t, "c", m.hub.view.Load().state.Cluster())
			_, err := m.Snapshot()
			require.ErrorIs(t, err, c.why)
		})
	}
}

func snapshotOf(t *testing.T, cluster string) io.ReadCloser {
	s, r := state.New().Step(state.Entry{Index: 9, Term: 1, Command: state.InitCluster{Cluster: cluster}})
	require.NoError(t, r.Err)
	var b bytes.Buffer
	require.NoError(t, s.Write(&b))
	return io.NopCloser(&b)
}

func TestRestoreReplacesTheStateAndWakesReaders(t *testing.T) {
	var fatal []error
	m := newMachine(&fatal)
	before := m.hub.view.Load()
	require.NoError(t, m.Restore(snapshotOf(t, "c")))
	<-before.newer
	require.Equal(t, "c", m.hub.view.Load().state.Cluster())
	require.ErrorIs(t, m.Restore(snapshotOf(t, "d")), api.ErrInvalid)
	require.ErrorIs(t, m.Restore(io.NopCloser(bytes.NewReader(nil))), api.ErrCorrupt)
	require.Equal(t, "c", m.state.Cluster(), "a bad snapshot leaves the state alone")
}

func TestOutcomesAreThree(t *testing.T) {
	r := &Registry{cfg: Config{}.withDefaults()}
	for _, err := range []error{raft.ErrLeadershipLost, raft.ErrAbortedByRestore, raft.ErrRaftShutdown, errors.New("disk")} {
		require.ErrorIs(t, r.outcome(err), api.ErrUnknown)
	}
	for _, err := range []error{raft.ErrEnqueueTimeout, raft.ErrLeadershipTransferInProgress} {
		require.ErrorIs(t, r.outcome(err), api.ErrNoQuorum)
	}
}

// hashicorp/raft#696: a leader that refuses every write because a transfer never ended gives up, so that a restart mends it.
func TestAStuckTransferEndsTheNode(t *testing.T) {
	var fatal []error
	r := &Registry{cfg: Config{Fatal: func(err error) { fatal = append(fatal, err) }}.withDefaults(), log: slog.New(slog.DiscardHandler)}
	for _, want := range []int{0, 0, 1, 1} {
		require.ErrorIs(t, r.outcome(raft.ErrLeadershipTransferInProgress), api.ErrNoQuorum)
		require.Len(t, fatal, want)
		r.transfer.since = r.transfer.since.Add(-2 * r.cfg.Election) // time passes
	}
	require.ErrorContains(t, fatal[0], "in transfer")
}
