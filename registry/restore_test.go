package registry_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// toNewestLevel raises a cluster to the newest level, as its leader does when all know it.
func toNewestLevel(c *cluster) { c.apply(state.Upgrade{Level: state.Level}) }

func TestASnapshotIsRestoredOnALiveCluster(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, steady)
	c.furnish("s1")
	toNewestLevel(c)
	first := c.apply(take("p.a", 0, "s1"))
	c.apply(take("p.gone", 0, "s1"))
	var b bytes.Buffer
	leader := c.leader()
	info, err := leader.SaveSnapshot(c.within(), &b)
	require.NoError(t, err)
	then := c.apply(take("p.a", first.Revision, "s1"))
	c.apply(take("p.later", 0, "s1"))
	last := c.apply(state.DeleteEdge{Name: "p.gone", Expect: edgeOf(t, leader, "p.gone").Revision})

	for range 2 { // and once more at once: no entry comes in between
		before := leader.State()
		require.NoError(t, leader.RestoreSnapshot(c.within(), bytes.NewReader(b.Bytes()), false))
		now := leader.State()
		require.Equal(t, info.Cluster, now.Cluster())
		require.Greater(t, now.Revision(), before.Revision()+1<<32)
		require.NoError(t, leader.Read(c.within(), api.Default))
		for _, m := range c.members {
			require.NoError(t, m.WaitApplied(c.within(), now.Revision()))
			e := edgeOf(t, m, "p.a")
			require.Greater(t, e.Generation, then.Edges[0].Generation)
			require.Greater(t, e.Revision, last.Revision)
			edgeOf(t, m, "p.gone")
			_, ok := m.State().Edge("p.later")
			require.False(t, ok)
			require.Empty(t, m.fatal)
		}
	}
	e := edgeOf(t, leader, "p.a")
	r := c.apply(take("p.a", e.Revision, "s1"))
	require.Greater(t, r.Edges[0].Generation, e.Generation)
	again := c.apply(take("p.later", 0, "s1"))
	require.Greater(t, again.Edges[0].Generation, r.Edges[0].Generation>>1, "no generation that was given away comes again")

	// All that was restored outlives a restart of every node.
	for _, m := range c.members {
		c.restart(m)
	}
	require.NoError(t, c.leader().Read(c.within(), api.Strict))
	require.Equal(t, r.Edges[0].Generation, edgeOf(t, c.leader(), "p.a").Generation)
}

// A watch is told what is other than it was.
func TestAWatchLivesThroughARestore(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, steady)
	c.furnish("s1")
	toNewestLevel(c)
	c.apply(take("p.a", 0, "s1"))
	var b bytes.Buffer
	_, err := c.leader().SaveSnapshot(c.within(), &b)
	require.NoError(t, err)
	c.apply(take("p.later", 0, "s1"))
	follower := c.followers()[0]
	restored := false
	known, listed := map[string]api.Edge{}, map[string]api.Edge{}
	for e, err := range follower.Watch(c.within(), api.WatchRequest{Prefix: "p."}) {
		require.NoError(t, err)
		switch e.Type {
		case api.EventState:
			listed[e.Edge.Name] = *e.Edge
		case api.EventSync: // what is not listed does not exist
			require.Equal(t, restored, e.Resync)
			known, listed = listed, map[string]api.Edge{}
		case api.EventChange:
			known[e.Edge.Name] = *e.Edge
		}
		_, later := known["p.later"]
		switch {
		case !restored && later:
			require.NoError(t, c.leader().RestoreSnapshot(c.within(), bytes.NewReader(b.Bytes()), false))
			restored = true
		case restored && !later:
			require.Greater(t, known["p.a"].Revision, api.Revision(1<<32))
			return
		}
	}
	t.Fatal("the watch ended")
}

func TestWhatIsNotRestored(t *testing.T) {
	t.Parallel()
	other, foreign := saved(t)
	c := newCluster(t, 1, steady)
	c.furnish("s1")
	c.apply(take("p.a", 0, "s1"))
	leader := c.leader()
	var b bytes.Buffer
	_, err := leader.SaveSnapshot(c.within(), &b)
	require.NoError(t, err)
	own := b.Bytes()
	err = leader.RestoreSnapshot(c.within(), bytes.NewReader(own), false)
	require.ErrorIs(t, err, api.ErrUnavailable)
	require.ErrorContains(t, err, "finish its upgrade")

	toNewestLevel(c)
	before := leader.State().Revision()
	err = leader.RestoreSnapshot(c.within(), bytes.NewReader(foreign), false)
	require.ErrorIs(t, err, api.ErrConflict)
	require.ErrorContains(t, err, other.Cluster)
	own[len(own)/2] ^= 1
	require.ErrorIs(t, leader.RestoreSnapshot(c.within(), bytes.NewReader(own), true), api.ErrCorrupt)
	require.ErrorIs(t, leader.RestoreSnapshot(c.within(), bytes.NewReader(nil), true), api.ErrCorrupt)
	require.NoError(t, leader.Read(c.within(), api.Strict))
	require.Less(t, leader.State().Revision(), before+100)

	cluster := leader.State().Cluster()
	require.NoError(t, leader.RestoreSnapshot(c.within(), bytes.NewReader(foreign), true))
	require.Equal(t, cluster, leader.State().Cluster())
	require.NoFileExists(t, filepath.Join(leader.dir, "restoring.json"))

	golden, err := os.ReadFile("state/testdata/v1.snapshot") // what 0.1.0 wrote
	require.NoError(t, err)
	require.NoError(t, leader.RestoreSnapshot(c.within(), bytes.NewReader(golden), true))
}

// A node that stopped while it restored does not start if the snapshot is in its log: the others may not have it. If it had not
// come to that, it does.
func TestARestoreThatWasCutShort(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, nil)
	c.furnish("s1")
	toNewestLevel(c)
	c.apply(take("p.a", 0, "s1"))
	m := c.leader()
	var b bytes.Buffer
	_, err := m.SaveSnapshot(c.within(), &b)
	require.NoError(t, err)
	mark := filepath.Join(m.dir, "restoring.json")
	require.NoError(t, os.WriteFile(mark, []byte(`{"revision":4294967300}`), 0o600))
	c.restart(m)
	require.NoFileExists(t, mark)

	require.NoError(t, c.leader().RestoreSnapshot(c.within(), &b, false))
	require.NoError(t, m.Close())
	require.NoError(t, os.WriteFile(mark, []byte(`{"revision":4294967300}`), 0o600))
	m.wire = listen(t, m.address)
	r, err := registry.New(c.config(m))
	require.NoError(t, err)
	require.ErrorContains(t, r.Open(), "wipe the data directory")
	require.NoError(t, r.Close())
	_, err = registry.Recover(m.recovery(func(string) error { return nil }))
	require.NoError(t, err)
	require.NoFileExists(t, mark)
	m.wire = listen(t, m.address)
	c.open(m)
	edgeOf(t, c.leader(), "p.a")
}
