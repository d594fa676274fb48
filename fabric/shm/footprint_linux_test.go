package shm

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Footprint is what the kernel has allocated for a ring, and no more than the cluster counts.
func TestFootprint(t *testing.T) {
	for _, capacity := range []int{fabric.CapacityMin, 1 << 20} {
		a, err := New(fabric.Config{Arena: locator.ArenaID("a"), Edge: "e", Generation: 1, Capacity: capacity})
		require.NoError(t, err)
		allocated := 0
		for _, f := range []*os.File{a.parts.Node, a.parts.Producer, a.parts.Consumer} {
			var st unix.Stat_t
			require.NoError(t, control(f, func(fd int) error { return unix.Fstat(fd, &st) }))
			allocated += int(st.Blocks) * 512
		}
		require.Equal(t, allocated, Footprint(capacity))
		if os.Getpagesize() == 4<<10 {
			require.Equal(t, capacity+lease.RingOverhead, Footprint(capacity))
		}
		require.NoError(t, a.Close())
	}
}
