package registry_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// A node that comes back from a long partition has called for elections all the while. Without pre-vote its term would have risen
// and the leader, hearing of it, would have stepped down.
func TestARejoiningNodeDeposesNobody(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, steady)
	c.apply(state.Nothing{})
	leader, away := c.leader(), c.followers()[0]
	away.wire.setCut(true)
	require.Eventually(t, func() bool { return away.Stats().State == "candidate" }, patience, time.Millisecond)
	last := c.apply(state.Nothing{})
	require.LessOrEqual(t, away.Term(), c.leader().Term(), "asking beforehand costs no term")
	term := leader.Term()
	away.wire.setCut(false)
	require.NoError(t, away.WaitApplied(c.within(), last.Revision))
	if c.leader() == leader { // unless the machine was too busy for its heartbeats
		require.Equal(t, term, leader.Term())
	}
}

// A bad entry in the log: the node does not start, says which one it is and what to do.
func TestADamagedLogIsNotStarted(t *testing.T) {
	t.Parallel()
	for store, file := range map[string]string{registry.LogStoreBolt: "log.db", registry.LogStoreWAL: "wal/*.wal"} {
		t.Run(store, func(t *testing.T) {
			c := newCluster(t, 1, func(cfg *registry.Config) { steady(cfg); cfg.LogStore = store })
			c.furnish("a-session-of-this-test")
			for range 3 {
				c.apply(state.Nothing{})
			}
			m := c.leader()
			require.NoError(t, m.Close())
			damage(t, filepath.Join(m.dir, "raft", file), "a-session-of-this-test")

			m.wire = listen(t, m.address)
			r, err := registry.New(registry.Config{
				NodeID: m.id, Address: m.address, DataDir: m.dir, Layer: m.wire, Logger: logger(), Fatal: func(err error) { t.Error(err) },
			})
			require.NoError(t, err)
			err = r.Open()
			require.ErrorContains(t, err, "log entry ")
			require.ErrorContains(t, err, "wipe its data directory")
			require.NoError(t, r.Close())
		})
	}
}

// damage changes one byte of what the file that matches holds.
func damage(t *testing.T, pattern, what string) {
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.Len(t, paths, 1)
	b, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	require.Positive(t, bytes.Count(b, []byte(what)))
	require.NoError(t, os.WriteFile(paths[0], bytes.ReplaceAll(b, []byte(what), []byte("A"+what[1:])), 0o600))
}
