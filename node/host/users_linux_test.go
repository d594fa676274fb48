package host_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/node/host"
)

func TestAUserWithoutRightsIsToldSo(t *testing.T) {
	n := startNode(t, newCluster(), socketPath(t), 1, func(c *host.Config) {
		c.Users = func(uid, _ int) (bool, api.Rules, error) {
			return false, nil, api.Errorf(api.KindForbidden, "user %d is none that this node serves", uid)
		}
	})
	answer, err := ask(t, raw(t, n.socket), api.SessionMessage{Seq: 7, Hello: &api.Hello{Stage: "s", TTL: ttl}})
	require.NoError(t, err)
	require.EqualValues(t, 7, answer.Seq)
	require.ErrorIs(t, answer.Error, api.ErrForbidden)
	require.Contains(t, answer.Error.Message, "none that this node serves")
}

// The rules of who opened a session are the cluster's to keep, and bind it wherever it asks: another's ring is not to be had even by a session
// that is said to have the role.
func TestASessionsRulesBindItsAttaches(t *testing.T) {
	rules := api.Rules{{Prefix: "etl.", Rights: []api.Right{api.RightCAS}}, {Rights: []api.Right{api.RightRead}}}
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1, func(c *host.Config) {
		c.Users = func(int, int) (bool, api.Rules, error) { return false, rules, nil }
	})
	conn := raw(t, n.socket)
	answer, err := ask(t, conn, api.SessionMessage{Seq: 1, Hello: &api.Hello{Stage: "s", TTL: ttl}})
	require.NoError(t, err)
	require.NotNil(t, answer.Welcome, answer.Error)
	known, ok := c.Session(answer.Welcome.Session)
	require.True(t, ok)
	require.Equal(t, rules, known.Rules)

	for edge, allowed := range map[string]bool{"pay.a": false, "etl.a": true, "etl": false} {
		e := c.grant(edge, 1, 1, answer.Welcome.Session, lease.SessionID("other"))
		got, err := ask(t, conn, api.SessionMessage{Seq: 2, Attach: &api.Attach{
			Edge: edge, Generation: 1, Arena: e.Locator.Arena, Role: fabric.RoleProducer,
		}})
		require.NoError(t, err)
		if allowed {
			require.NotNil(t, got.Attached, "%s: %v", edge, got.Error)
			continue
		}
		require.ErrorIs(t, got.Error, api.ErrForbidden, edge)
		require.Contains(t, got.Error.Message, edge)
	}
}
