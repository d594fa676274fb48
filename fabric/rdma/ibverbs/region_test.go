//go:build rdma && linux && cgo

package ibverbs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// commands returns the descriptor by which the library speaks to the kernel's part of the open adapter.
func commands(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	var found []int
	for _, e := range entries {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && strings.HasPrefix(to, "/dev/infiniband/uverbs") {
			n, err := strconv.Atoi(e.Name())
			require.NoError(t, err)
			found = append(found, n)
		}
	}
	require.Len(t, found, 1)
	return found[0]
}

// A region that could not be deregistered is one still: the next Close tries again.
func TestRegionThatStays(t *testing.T) {
	a, b := connected(t)
	fd := commands(t)
	kept, err := unix.Dup(fd)
	require.NoError(t, err)
	deaf, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, unix.Dup2(deaf, fd))
	failed := b.region.Close()
	require.NoError(t, unix.Dup2(kept, fd))
	require.NoError(t, unix.Close(kept))
	require.NoError(t, unix.Close(deaf))
	require.Error(t, failed)

	require.NoError(t, a.Post([]verbs.Write{a.write(1, 64, b)}))
	require.Equal(t, verbs.StatusOK, a.completions(1)[0].Status)
	require.NoError(t, b.region.Close())
	require.NoError(t, a.Post([]verbs.Write{a.write(2, 64, b)}))
	require.Equal(t, verbs.StatusRemoteAccess, a.completions(1)[0].Status)
	require.NoError(t, b.region.Close())
}
