package shm

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/internal/ring"
)

// Who sleeps for long does so in the poller: in a system call it would keep a processor, and maybe the poller's thread.
func TestASeatIsNotForLong(t *testing.T) {
	file, err := newEvent("event")
	require.NoError(t, err)
	defer file.Close()
	var node, peer atomic.Uint32
	s, err := newSleeper(file, &node)
	require.NoError(t, err)
	defer s.close()
	s.peer.Store(&peer)
	s.Park(0, func(kind uint64) bool { return kind == ring.InPoller }) // rung by nobody
	require.Zero(t, hot.taken.Load())
}
