package registry_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// lost returns a cluster whose followers are closed for good, and what its only member that is left had.
func lost(t *testing.T, snapshotted bool) (c *cluster, survivor *member, was *state.State) {
	c = newCluster(t, 3, nil)
	c.furnish("s1")
	r := c.apply(take("p.a", 0, "s1"))
	if snapshotted {
		require.NoError(t, c.leader().Snapshot(c.within()))
	}
	r = c.apply(take("p.a", r.Revision, "s1"))
	survivor = c.followers()[0]
	require.NoError(t, survivor.WaitApplied(c.within(), r.Revision))
	was = survivor.State()
	for _, m := range c.members {
		require.NoError(t, m.Close())
	}
	return c, survivor, was
}

func (m *member) recovery(bind func(string) error) registry.RecoverConfig {
	return registry.RecoverConfig{NodeID: m.id, Address: m.address, DataDir: m.dir, Bind: bind, Logger: logger()}
}

func bound(to *string) func(string) error {
	return func(cluster string) error { *to = cluster; return nil }
}

// requireRevived requires that the survivor is a cluster of its own that goes on above everything of before.
func requireRevived(t *testing.T, c *cluster, survivor *member, was *state.State) {
	c.members = []*member{survivor}
	survivor.wire = listen(t, survivor.address)
	c.open(survivor)
	s := c.leader().State()
	require.Equal(t, was.Cluster()+".2", s.Cluster())
	require.Greater(t, s.Revision(), was.Revision()+1<<32)
	old, _ := was.Edge("p.a")
	e, ok := s.Edge("p.a")
	require.True(t, ok)
	require.Greater(t, e.Generation, old.Generation+1<<32)
	r := c.apply(take("p.a", e.Revision, "s1"))
	require.Greater(t, r.Edges[0].Generation, e.Generation)
	require.NoError(t, survivor.Read(c.within(), api.Default))
	require.NoError(t, survivor.WaitApplied(c.within(), r.Revision))
	servers, err := survivor.Servers()
	require.NoError(t, err)
	require.Len(t, servers, 1)
}

func TestTheLastOneGoesOnAlone(t *testing.T) {
	t.Parallel()
	for _, snapshotted := range []bool{false, true} {
		c, survivor, was := lost(t, snapshotted)
		var told string
		report, err := registry.Recover(survivor.recovery(bound(&told)))
		require.NoError(t, err)
		require.Equal(t, was.Cluster(), report.Was)
		require.Equal(t, was.Cluster()+".2", report.Cluster)
		require.Equal(t, report.Cluster, told)
		require.GreaterOrEqual(t, report.Index, was.Index())
		require.Equal(t, 1, report.Edges)
		require.Equal(t, 1, report.Sessions)
		require.Len(t, report.Left, 2)
		require.NotContains(t, report.Left, registry.Peer{ID: survivor.id, Address: survivor.address})
		require.False(t, report.Resumed)
		requireRevived(t, c, survivor, was)
	}
}

// What a recovery would keep is said before it is done, again and again, with nothing changed; also after one that was cut short.
func TestARecoveryIsSurveyed(t *testing.T) {
	t.Parallel()
	for _, snapshotted := range []bool{false, true} {
		c, survivor, was := lost(t, snapshotted)
		var told string
		config := survivor.recovery(bound(&told))
		first, err := registry.SurveyRecovery(config)
		require.NoError(t, err)
		require.Equal(t, was.Cluster()+".2", first.Cluster)
		again, err := registry.SurveyRecovery(config)
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.Empty(t, told)
		require.NoFileExists(t, filepath.Join(survivor.dir, "recovering.json"))

		cut := errors.New("killed")
		_, err = registry.Recover(registry.Interrupted(config, func(step string) error {
			if step == "log" {
				return cut
			}
			return nil
		}))
		require.ErrorContains(t, err, "killed")
		resumed, err := registry.SurveyRecovery(config)
		require.NoError(t, err)
		require.True(t, resumed.Resumed)
		resumed.Resumed = false
		require.Equal(t, first, resumed)

		done, err := registry.Recover(config)
		require.NoError(t, err)
		done.Resumed = false
		require.Equal(t, first, done)
		requireRevived(t, c, survivor, was)
	}
}

// A recovery is cut short at each of its steps: it is finished by the next one, and no agent starts in between. If it had not
// begun, one does, and finds everything as it was.
func TestRecoveryIsFinishedWhereverItWasCutShort(t *testing.T) {
	t.Parallel()
	cut := errors.New("killed")
	for _, step := range []string{"mark", "snapshot", "log", "bind", "finish"} {
		t.Run(step, func(t *testing.T) {
			c, survivor, was := lost(t, step != "log")
			var told string
			config := survivor.recovery(bound(&told))
			for range 2 { // twice at the same place
				_, err := registry.Recover(registry.Interrupted(config, func(s string) error {
					if s == step {
						return cut
					}
					return nil
				}))
				require.ErrorContains(t, err, "killed")
			}
			survivor.wire = listen(t, survivor.address)
			r, err := registry.New(c.config(survivor))
			require.NoError(t, err)
			if step == "mark" {
				require.NoError(t, r.Open())
			} else {
				require.ErrorContains(t, r.Open(), "operator raft recover")
			}
			require.NoError(t, r.Close())
			report, err := registry.Recover(config)
			require.NoError(t, err)
			require.Equal(t, step != "mark", report.Resumed)
			require.Equal(t, was.Cluster()+".2", report.Cluster)
			require.Equal(t, was.Cluster(), report.Was)
			require.Len(t, report.Left, 2)
			require.Equal(t, report.Cluster, told)
			requireRevived(t, c, survivor, was)
		})
	}
}

func TestWhatCannotBeRecovered(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := registry.RecoverConfig{NodeID: "n0", Address: "127.0.0.1:1", DataDir: dir, Bind: func(string) error { return nil }, Logger: logger()}
	_, err := registry.Recover(config)
	require.ErrorContains(t, err, "no registry to recover")

	c := newCluster(t, 1, nil)
	c.furnish()
	m := c.members[0]
	_, err = registry.Recover(m.recovery(func(string) error { return nil }))
	require.ErrorContains(t, err, "in use")

	require.NoError(t, m.Close())
	damaged := m.recovery(func(string) error { return nil })
	require.NoError(t, os.WriteFile(filepath.Join(m.dir, "recovering.json"), []byte("{"), 0o600))
	_, err = registry.Recover(damaged)
	require.ErrorContains(t, err, "recovering.json")
}

// Members of the group before have not been wiped and come back: the survivor, whose ID and address they know, hears none of
// them, though they have a majority and a higher term.
func TestOldMembersAreNotHeard(t *testing.T) {
	t.Parallel()
	c, survivor, was := lost(t, true)
	old := make([]*member, 0, 2)
	for _, m := range c.members {
		if m != survivor {
			old = append(old, m)
		}
	}
	var id string // is in the node's data directory before it may start
	_, err := registry.Recover(survivor.recovery(bound(&id)))
	require.NoError(t, err)
	c.tune = func(cfg *registry.Config) {
		if cfg.NodeID == survivor.id {
			cfg.Cluster = id
		}
	}
	c.members = old
	for _, m := range old {
		m.wire = listen(t, m.address)
		c.open(m)
	}
	leader := c.leader() // the old cluster lives on without the one that left it
	e, _ := leader.State().Edge("p.a")
	c.apply(take("p.a", e.Revision, "s1"))
	calls := func() int {
		survivor.wire.mu.Lock()
		defer survivor.wire.mu.Unlock()
		return survivor.wire.calls
	}
	requireRevived(t, c, survivor, was)
	revived := survivor.State()
	c.members = append(old, survivor)
	before := calls()
	require.Eventually(t, func() bool { return calls() > before+3 }, patience, 10*time.Millisecond, "the old leader calls it all the time")
	require.True(t, survivor.IsLeader())
	require.Equal(t, revived.Cluster(), survivor.State().Cluster())
	require.Equal(t, was.Cluster(), leader.State().Cluster())
	is, _ := survivor.State().Edge("p.a")
	then, _ := revived.Edge("p.a")
	require.Equal(t, then.Revision, is.Revision)
}
