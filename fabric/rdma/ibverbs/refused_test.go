//go:build rdma && linux && cgo

package ibverbs

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// A stale producer: the region that it knows has been deregistered, and the next generation has another. The adapter refuses.
func TestStaleWriterIsRefused(t *testing.T) {
	a, b := connected(t)
	stale := a.write(7, 64, b)
	require.NoError(t, a.Post([]verbs.Write{stale}))
	require.Equal(t, verbs.StatusOK, a.completions(1)[0].Status)

	require.NoError(t, b.region.Close())
	next := newEnd(t, openDevice(t))
	require.NotEqual(t, stale.RKey, next.region.Remote().Key)
	copy(b.mem, "still here")
	before := string(b.mem[:64])
	copy(a.mem, "from the dead")
	require.NoError(t, a.Post([]verbs.Write{stale}))
	c := a.completions(1)[0]
	require.Equal(t, verbs.StatusRemoteAccess, c.Status, "%v", c)
	require.Equal(t, uint64(7), c.ID)
	require.Equal(t, before, string(b.mem[:64]))
	require.NotContains(t, string(next.mem[:64]), "from the dead")
}

// Each pair has a protection domain of its own: who knows another's key and address can do nothing with them.
func TestAnotherPairsRegionIsRefused(t *testing.T) {
	a, _ := connected(t)
	other := newEnd(t, openDevice(t))
	require.NoError(t, a.Post([]verbs.Write{a.write(1, 64, other)}))
	require.Equal(t, verbs.StatusRemoteAccess, a.completions(1)[0].Status)
}

// Nor beyond a region's end.
func TestBeyondTheEndIsRefused(t *testing.T) {
	a, b := connected(t)
	w := a.write(1, 64, b)
	w.To += uint64(len(b.mem)) - 63
	require.NoError(t, a.Post([]verbs.Write{w}))
	require.Equal(t, verbs.StatusRemoteAccess, a.completions(1)[0].Status)
}

// Without receives the other end's writer gives up in the end.
func TestNoReceives(t *testing.T) {
	d := openDevice(t)
	a, b := newEnd(t, d), newEnd(t, d)
	require.NoError(t, b.Connect(a.Local(), retry))
	require.NoError(t, a.Connect(b.Local(), retry))
	w := a.write(1, 8, b)
	w.WithImm = true
	require.NoError(t, a.Post([]verbs.Write{w}))
	require.Equal(t, verbs.StatusNotReady, a.completions(1)[0].Status)
}

// What is posted on a pair that fails completes, flushed, and who writes to it has no answer.
func TestFail(t *testing.T) {
	a, b := connected(t)
	require.NoError(t, b.Fail())
	require.NoError(t, b.Fail())
	for _, c := range b.completions(room.Receives) {
		require.Equal(t, verbs.Completion{Kind: verbs.Received, Status: verbs.StatusFlushed, Code: c.Code}, c)
	}
	require.NoError(t, a.Post([]verbs.Write{a.write(1, 8, b), a.write(2, 8, b)}))
	all := a.completions(2)
	require.NotEqual(t, verbs.StatusOK, all[0].Status)
	require.Equal(t, verbs.StatusFlushed, all[1].Status)
	require.Equal(t, []uint64{1, 2}, []uint64{all[0].ID, all[1].ID})
}

func TestRetriesForEverAreRefused(t *testing.T) {
	d := openDevice(t)
	a := newEnd(t, d)
	forever := retry
	forever.Count = 7
	require.Error(t, a.Connect(a.Local(), forever))
}
