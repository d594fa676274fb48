package host

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/lease"
)

// What was just confirmed is not asked for again when a side attaches; what would be old by the next renewal is.
func TestAStaleDeadline(t *testing.T) {
	a := newArena(Ring{})
	asked := lease.Instant(time.Hour)
	a.confirm(asked, lease.TTLDefault)
	require.False(t, a.stale(asked.Add(lease.TTLDefault/7)))
	require.True(t, a.stale(asked.Add(lease.TTLDefault/5)))
	a.confirm(asked.Add(lease.TTLDefault/5), lease.TTLDefault)
	require.False(t, a.stale(asked.Add(lease.TTLDefault/5)))
}
