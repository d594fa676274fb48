package filelock_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/filelock"
)

func TestOneHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b := open(), open()
	require.NoError(t, filelock.Try(a))
	require.ErrorIs(t, filelock.Try(b), filelock.ErrLocked)
	require.NoError(t, filelock.Unlock(a))
	require.NoError(t, filelock.Try(b))
	require.NoError(t, b.Close(), "closing unlocks")
	require.NoError(t, filelock.Try(a))
}
