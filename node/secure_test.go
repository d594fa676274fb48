package node_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/internal/keyfile"
	"github.com/grafnode/grafnode/node"
	"github.com/grafnode/grafnode/position"
)

// Three nodes that speak TLS, and two stages that have no certificate: each trusts its own node, and learns from it whom to trust beyond.
func TestASecureCluster(t *testing.T) {
	house := identitytest.New(t)
	keys := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(keys, []byte(keyfile.New()), 0o600))
	c := newClusterOf(t, 3, func(i int, cfg *node.Config) {
		cfg.TLS = house.Member(cfg.Name, identity.Server)
		cfg.GossipKeys = keys
	})
	c.ready()
	for _, n := range c.nodes {
		require.NoError(t, n.Reload(node.Config{}))
	}

	operator := house.Open("operator", identity.Operator)
	call := func(node int, with func() *tls.Config) error {
		a, err := client.NewAPI(c.nodes[node].Address(), client.APIConfig{TLS: with})
		require.NoError(t, err)
		defer a.Close()
		_, err = a.Edges(t.Context(), "", api.Strict) // by way of the leader, whoever is asked
		return err
	}
	program := house.Open("program", identity.Client)
	relocate := func(node int, with func() *tls.Config) error {
		a, err := client.NewAPI(c.nodes[node].Address(), client.APIConfig{TLS: with})
		require.NoError(t, err)
		defer a.Close()
		_, err = a.Relocate(t.Context(), "e", api.RelocateRequest{})
		return err
	}
	stranger := identitytest.New(t).Open("stranger", identity.Server)
	for i := range c.nodes {
		require.NoError(t, call(i, operator.Client))
		require.ErrorIs(t, call(i, stranger.Client), api.ErrUnavailable)
		require.ErrorIs(t, call(i, nil), api.ErrInvalid)
		require.NoError(t, call(i, program.Client))
		require.ErrorIs(t, relocate(i, program.Client), api.ErrForbidden)
		require.ErrorIs(t, relocate(i, operator.Client), api.ErrNotFound, "allowed, passed on to the leader, and not there")
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, err := edge.Consume[string](ctx, c.stage(0, "in"), "e")
	require.NoError(t, err)
	out, err := edge.Produce[string](ctx, c.stage(1, "out"), "e") // at least one of the two is on another node than the ring
	require.NoError(t, err)
	for n := range uint64(100) {
		require.NoError(t, out.Push(ctx, position.Position{Offset: n + 1}, "hello"))
		m, err := in.Pop(ctx)
		require.NoError(t, err)
		require.Equal(t, "hello", m.Value)
		require.NoError(t, in.Ack(m.Pos))
	}
	require.NoError(t, out.Close(ctx))
	require.NoError(t, in.Close(ctx))
}

func TestCertificatesMustBeWhole(t *testing.T) {
	house := identitytest.New(t)
	files := house.Member("client", identity.Client)
	for want, tlsFiles := range map[string]identity.Files{
		"--tls-key: is missing": {CA: files.CA, Cert: files.Cert},
		"--tls-ca: is missing":  {Cert: files.Cert, Key: files.Key},
	} {
		_, err := node.New(node.Config{DataDir: t.TempDir(), TLS: tlsFiles})
		require.ErrorContains(t, err, want)
	}
	n, err := node.New(node.Config{DataDir: t.TempDir(), TLS: files, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.ErrorIs(t, n.Open(), identity.ErrWrongRole)
	require.NoError(t, n.Close())
}
