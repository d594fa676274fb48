package pki_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/keyfile"
	"github.com/grafnode/grafnode/internal/pki"
)

func TestSetup(t *testing.T) {
	dir := pki.Dir(filepath.Join(t.TempDir(), "new"))
	made, err := dir.Setup([]string{"n1", "n2"}, 2*time.Hour, time.Hour)
	require.NoError(t, err)
	require.Len(t, made, 9)
	for name, role := range map[string]identity.Role{"n1": identity.Server, "n2": identity.Server, pki.Operator: identity.Operator} {
		_, err := identity.Open(dir.Files(name), role)
		require.NoError(t, err, name)
	}
	keys, err := keyfile.Read(dir.GossipKeys())
	require.NoError(t, err)
	for _, secret := range []string{dir.GossipKeys(), dir.Files("n1").Key, dir.Files(pki.Authority).Key} {
		info, err := os.Stat(secret)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, secret)
	}

	// What is there is kept, and what was lost is made by the same authority.
	require.NoError(t, os.Remove(dir.Files("n2").Cert))
	require.NoError(t, os.Remove(dir.Files("n2").Key))
	made, err = dir.Setup([]string{"n1", "n2", "n3"}, 2*time.Hour, time.Hour)
	require.NoError(t, err)
	require.Equal(t, []string{dir.Files("n2").Cert, dir.Files("n2").Key, dir.Files("n3").Cert, dir.Files("n3").Key}, made)
	_, err = identity.Open(dir.Files("n3"), identity.Server)
	require.NoError(t, err)
	again, err := keyfile.Read(dir.GossipKeys())
	require.NoError(t, err)
	require.Equal(t, keys, again)
}

func TestSetupMakesNothingOfHalves(t *testing.T) {
	dir := pki.Dir(t.TempDir())
	_, err := dir.Setup(nil, time.Hour, time.Hour)
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir.Files(pki.Authority).Key)) // kept offline
	made, err := dir.Setup([]string{"n1"}, time.Hour, time.Hour)
	require.ErrorIs(t, err, os.ErrExist) // and no new authority under the old one's name
	require.Empty(t, made)
	require.NoError(t, os.WriteFile(dir.GossipKeys(), []byte("short\n"), 0o600))
	_, err = dir.Setup(nil, time.Hour, time.Hour)
	require.Error(t, err)
}
