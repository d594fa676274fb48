package registry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
)

func TestThreeNodesAgree(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, steady)
	c.furnish("s1")
	r := c.apply(take("p.a", 0, "s1"))
	for _, m := range c.members {
		require.NoError(t, m.WaitApplied(c.within(), r.Revision))
		got, ok := m.State().Edge("p.a")
		require.True(t, ok)
		require.Equal(t, r.Edges[0], got)
		require.NotEmpty(t, m.State().Cluster())
	}
	for _, mode := range []api.Consistency{api.Stale, api.Default, api.Strict} {
		require.NoError(t, c.leader().Read(c.within(), mode))
	}
	for _, m := range c.followers() {
		require.ErrorIs(t, m.Read(c.within(), api.Strict), api.ErrNoQuorum)
		_, err := m.Apply(c.within(), take("p.b", 0, "s1"))
		require.ErrorIs(t, err, api.ErrNoQuorum)
	}
	require.ErrorIs(t, c.leader().Bootstrap(nil), api.ErrConflict)
}
