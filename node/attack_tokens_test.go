package node_test

import (
	"context"
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/node"
)

// Tokens on a secure cluster, at the leader and by way of a node that passes requests on: what they allow, and not a hair more.
func TestTokenAttacks(t *testing.T) {
	house := identitytest.New(t)
	c := newClusterOf(t, 2, func(_ int, cfg *node.Config) { cfg.TLS = house.Member(cfg.Name, identity.Server) })
	c.ready()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, name := range []string{"etl.a", "pay.a"} {
		out, err := edge.Produce[string](ctx, c.stage(0, "out-"+name), name)
		require.NoError(t, err)
		defer out.Close(ctx)
	}
	ada, program := house.Open("ada", identity.Operator), house.Open("program", identity.Client)
	operator := c.asked(1, "", ada.Client)
	issue := func(rules ...api.Rule) (made api.TokenCreated) {
		eventually(t, func() (err error) { // until the cluster is at the level of tokens
			made, err = operator.CreateToken(ctx, api.TokenRequest{Name: "test", Rules: rules})
			return err
		})
		return made
	}
	etl := issue(api.Rule{Prefix: "etl.", Rights: []api.Right{api.RightRead, api.RightWatch}})
	anonymous, err := identity.Anonymous(ada.Authorities())
	require.NoError(t, err)

	for n := range c.nodes {
		for who, with := range map[string]func() *tls.Config{"nobody": func() *tls.Config { return anonymous }, "a program": program.Client, "an operator": ada.Client} {
			a := c.bearing(n, etl.Secret, with)
			var edges []api.Edge
			eventually(t, func() (err error) { // until this node has heard of it
				edges, err = a.Edges(ctx, "", api.Default)
				return err
			})
			require.Len(t, edges, 1, who)
			stale, err := a.Edges(ctx, "", api.Stale)
			require.NoError(t, err)
			require.Len(t, stale, 1, who)
			_, err = a.Edge(ctx, "pay.a", api.Default)
			require.ErrorIs(t, err, api.ErrForbidden, who)
			_, err = a.Nodes(ctx, api.Default)
			require.ErrorIs(t, err, api.ErrForbidden, who)
			_, err = a.Relocate(ctx, "etl.a", api.RelocateRequest{})
			require.ErrorIs(t, err, api.ErrForbidden, who)
			_, err = a.CreateToken(ctx, api.TokenRequest{Name: "more", Rules: api.Rules{{Rights: api.Rights}}})
			require.ErrorIs(t, err, api.ErrForbidden, who)
			_, err = c.bearing(n, etl.Secret[:len(etl.Secret)-4]+"AAAA", with).Edges(ctx, "", api.Stale)
			require.ErrorIs(t, err, api.ErrForbidden, who)
		}
	}
	t.Run("a token is deleted under its watch", func(t *testing.T) {
		began, ended := make(chan error, 1), make(chan error, 1)
		go func() {
			for e, err := range c.bearing(0, etl.Secret, func() *tls.Config { return anonymous }).Watch(ctx, api.WatchRequest{}) {
				if err != nil {
					ended <- err
					return
				}
				if e.Edge != nil && e.Edge.Name != "etl.a" {
					ended <- api.Errorf(api.KindInternal, "it was told of %s", e.Edge.Name)
					return
				}
				if e.Type == api.EventSync {
					began <- nil
				}
			}
		}()
		require.NoError(t, <-began)
		require.NoError(t, operator.DeleteToken(ctx, etl.ID))
		err := <-ended
		require.ErrorIs(t, err, api.ErrForbidden)
		require.ErrorContains(t, err, "was deleted")
		for n := range c.nodes {
			eventually(t, func() error { // until this node has heard of it
				_, err := c.bearing(n, etl.Secret, ada.Client).Edges(ctx, "", api.Stale)
				if err == nil {
					return api.ErrConflict
				}
				require.ErrorIs(t, err, api.ErrForbidden)
				return nil
			})
		}
	})
	t.Run("a token ends", func(t *testing.T) {
		short, err := operator.CreateToken(ctx, api.TokenRequest{Name: "short", Rules: api.Rules{{Rights: api.Rights}}, Expires: time.Now().Add(1500 * time.Millisecond)})
		require.NoError(t, err)
		eventually(t, func() error {
			_, err := c.bearing(1, short.Secret, ada.Client).Edges(ctx, "", api.Default)
			if err == nil || !strings.Contains(err.Error(), "has expired") {
				return api.ErrConflict
			}
			return nil
		})
	})
}

// bearing returns a node's API for whoever shows a token.
func (c *cluster) bearing(node int, secret string, with func() *tls.Config) *client.API {
	c.t.Helper()
	a, err := client.NewAPI(c.nodes[node].Address(), client.APIConfig{TLS: with, Token: func() string { return secret }})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = a.Close() })
	return a
}
