package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A node that is to lend more than the host has says so when it starts, and not by being killed when it has lent it.
func TestMoreMemoryThanTheHostHas(t *testing.T) {
	size, known := hostMemory()
	require.True(t, known)
	require.Greater(t, size, uint64(16<<20))
	n, err := New(Config{DataDir: t.TempDir(), Name: "n", Memory: size + 1, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	err = n.Open()
	var wrong *ConfigError
	require.ErrorAs(t, err, &wrong)
	require.Equal(t, "memory", wrong.Setting)
	require.ErrorContains(t, err, "lend less")
	require.NoError(t, n.Close())
}

func TestGroupMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memory.max")
	_, ok := groupMemory(path)
	require.False(t, ok)
	for text, want := range map[string]uint64{"max\n": 0, "1048576\n": 1 << 20} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		limit, ok := groupMemory(path)
		require.Equal(t, want != 0, ok)
		require.Equal(t, want, limit)
	}
}
