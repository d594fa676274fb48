package node

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func openDir(t *testing.T, path string) *dataDir {
	t.Helper()
	d, err := openDataDir(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.close() }) // may be closed already
	return d
}

func TestAnIdentityIsMadeOnceAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "dir")
	d := openDir(t, path)
	_, err := uuid.Parse(string(d.id))
	require.NoError(t, err)
	require.NoError(t, d.close())
	require.Equal(t, d.id, openDir(t, path).id)
}

func TestASecondAgentIsRefused(t *testing.T) {
	path := t.TempDir()
	openDir(t, path)
	_, err := openDataDir(path)
	require.ErrorContains(t, err, "in use by another grafnode agent")
}

func TestWhatIsNoDataDirectoryIsRefused(t *testing.T) {
	foreign := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "thesis.tex"), nil, 0o600))
	_, err := openDataDir(foreign)
	require.ErrorContains(t, err, "thesis.tex")

	_, err = openDataDir(filepath.Join(foreign, "thesis.tex"))
	require.ErrorContains(t, err, "not a directory")

	damaged := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(damaged, fileNodeID), []byte("xx\n"), 0o600))
	_, err = openDataDir(damaged)
	require.ErrorContains(t, err, "node-id is damaged")
}

func TestAFreshFileSystemIsAccepted(t *testing.T) {
	path := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(path, "lost+found"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(path, fileNodeID+".1234"), []byte("half"), 0o600))
	openDir(t, path)
}

func TestADirectoryBelongsToOneCluster(t *testing.T) {
	path := t.TempDir()
	d := openDir(t, path)
	require.Empty(t, d.cluster())
	require.NoError(t, d.bind("c1"))
	require.NoError(t, d.bind("c1"))
	require.ErrorContains(t, d.bind("c2"), "belongs to cluster c1")
	require.NoError(t, d.close())
	require.Equal(t, "c1", openDir(t, path).cluster())
}
