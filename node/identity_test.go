package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/node/local"
)

// Who reloads is told that all stays as it was, or that all is new.
func TestAReloadIsWholeOrNotAtAll(t *testing.T) {
	house := identitytest.New(t)
	files, next := house.Member("node", identity.Server), house.Member("next", identity.Server)
	n := &Node{cfg: Config{TLS: files, Socket: filepath.Join(t.TempDir(), "socket")}}
	require.NoError(t, n.openIdentity())
	before := n.identity.id.Client().Certificates[0].Leaf.SerialNumber
	require.NoError(t, os.Rename(next.Cert, files.Cert))
	require.NoError(t, os.Rename(next.Key, files.Key))

	require.ErrorIs(t, n.Reload(nil), os.ErrNotExist, "somebody has removed the socket")
	require.Equal(t, before, n.identity.id.Client().Certificates[0].Leaf.SerialNumber)
	require.NoError(t, os.WriteFile(n.cfg.Socket, nil, 0o600))
	require.Error(t, n.Reload([]local.Entry{{User: "no-such-user-here"}}))
	require.Equal(t, before, n.identity.id.Client().Certificates[0].Leaf.SerialNumber)
	require.NoError(t, n.Reload(nil))
	require.NotEqual(t, before, n.identity.id.Client().Certificates[0].Leaf.SerialNumber)
}
