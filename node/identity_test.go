package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/internal/testport"
	"github.com/grafnode/grafnode/node/local"
	"github.com/grafnode/grafnode/transport"
)

// Who reloads is told that all stays as it was, or that all is new.
func TestAReloadIsWholeOrNotAtAll(t *testing.T) {
	house := identitytest.New(t)
	files, next := house.Member("node", identity.Server), house.Member("next", identity.Server)
	n := &Node{cfg: Config{TLS: files, Socket: filepath.Join(t.TempDir(), "socket")}}
	require.NoError(t, n.openIdentity())
	var err error
	n.mux, err = transport.Listen(transport.Config{Address: "127.0.0.1:0"})
	require.NoError(t, err)
	defer n.mux.Close()
	before := n.identity.id.Client().Certificates[0].Leaf.SerialNumber
	require.NoError(t, os.Rename(next.Cert, files.Cert))
	require.NoError(t, os.Rename(next.Key, files.Key))

	require.ErrorIs(t, n.Reload(Config{}), os.ErrNotExist, "somebody has removed the socket")
	require.Equal(t, before, n.identity.id.Client().Certificates[0].Leaf.SerialNumber)
	require.NoError(t, os.WriteFile(n.cfg.Socket, nil, 0o600))
	require.Error(t, n.Reload(Config{Local: []local.Entry{{User: "no-such-user-here"}}}))
	require.Equal(t, before, n.identity.id.Client().Certificates[0].Leaf.SerialNumber)
	require.NoError(t, n.Reload(Config{}))
	require.NotEqual(t, before, n.identity.id.Client().Certificates[0].Leaf.SerialNumber)
}

// Who trusts in settings that protect nothing is told, at the start and when they come later.
func TestWhatProtectsNothingIsSaid(t *testing.T) {
	house := identitytest.New(t)
	etl := []local.Entry{{User: "4711", Rules: api.Rules{{Prefix: "etl.", Rights: []api.Right{api.RightRead}}}}}
	for _, c := range []struct {
		tls           identity.Files
		local, reload []local.Entry
		want          []string
	}{
		{want: []string{"every user of this host may do everything"}},
		{local: etl, want: []string{"every user of this host may do everything", "what local says"}},
		{reload: etl, want: []string{"every user of this host may do everything", "what local says"}},
		{tls: house.Member("node", identity.Server), local: etl, reload: etl},
	} {
		var log bytes.Buffer
		dir := t.TempDir()
		n, err := New(Config{DataDir: filepath.Join(dir, "data"), Bind: fmt.Sprint("127.0.0.1:", testport.Pair(t)), TLS: c.tls, Local: c.local,
			Socket: filepath.Join(dir, "s"), Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		require.NoError(t, err)
		require.NoError(t, n.Open())
		if c.reload != nil {
			require.NoError(t, n.Reload(Config{Local: c.reload}))
		}
		require.NoError(t, n.Close())
		said := strings.Split(strings.TrimSpace(log.String()), "\n")
		for _, line := range said {
			if line == "" || strings.Contains(line, "no other node is found") {
				continue
			}
			require.NotEmpty(t, c.want, "%+v: %s", c, line)
			require.Contains(t, line, c.want[0], "%+v", c)
			c.want = c.want[1:]
		}
		require.Empty(t, c.want, "%+v\n%s", c, log.String())
	}
}
