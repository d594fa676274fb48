package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/atomicfile"
)

func TestFilesAreReplacedAndRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, content := range []string{"one", "", "three"} {
		require.NoError(t, atomicfile.Write(path, []byte(content)))
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, content, string(b))
	}
	require.NoError(t, atomicfile.Remove(path))
	require.NoError(t, atomicfile.Remove(path))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries, "nothing is left behind")

	require.NoError(t, os.Mkdir(path, 0o700))
	require.Error(t, atomicfile.Write(path, nil), "a directory is no file")
	entries, err = os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Error(t, atomicfile.Write(filepath.Join(dir, "missing", "f"), nil))
}
