package registry_test

import (
	"bytes"
	"os"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
)

// saved returns a backup of a registry with an edge in it.
func saved(t testing.TB) (registry.SnapshotInfo, []byte) {
	c := newCluster(t, 1, nil)
	c.furnish("s1")
	c.apply(take("p.a", 0, "s1"))
	var b bytes.Buffer
	info, err := c.leader().SaveSnapshot(c.within(), &b)
	require.NoError(t, err)
	return info, b.Bytes()
}

func TestASnapshotSaysWhatIsInIt(t *testing.T) {
	info, b := saved(t)
	require.Equal(t, [...]int{1, 1, 1, 1}, [...]int{info.Edges, info.Leases, info.Sessions, info.Nodes})
	require.NotEmpty(t, info.Cluster)
	require.NotZero(t, info.Revision)
	require.False(t, info.Taken.IsZero())
	require.Equal(t, int64(len(b)), info.Bytes)
	for _, in := range []func() (registry.SnapshotInfo, error){
		func() (registry.SnapshotInfo, error) { return registry.InspectSnapshot(bytes.NewReader(b)) },
		func() (registry.SnapshotInfo, error) {
			return registry.InspectSnapshot(iotest.OneByteReader(bytes.NewReader(b)))
		},
	} {
		got, err := in()
		require.NoError(t, err)
		require.Equal(t, info, got)
	}
}

// The state alone is what 0.1.0 and Raft keep.
func TestASnapshotOfTheFirstVersionIsRead(t *testing.T) {
	b, err := os.ReadFile("state/testdata/v1.snapshot")
	require.NoError(t, err)
	info, err := registry.InspectSnapshot(bytes.NewReader(b))
	require.NoError(t, err)
	require.True(t, info.Taken.IsZero())
	require.NotEmpty(t, info.Cluster)
	require.EqualValues(t, len(b), info.Bytes)
}

func TestDamagedSnapshotsAreRefused(t *testing.T) {
	_, b := saved(t)
	for n := range len(b) {
		_, err := registry.InspectSnapshot(bytes.NewReader(b[:n]))
		require.ErrorIs(t, err, api.ErrCorrupt, "cut off at %d", n)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x20
		_, err := registry.InspectSnapshot(bytes.NewReader(bad))
		require.Error(t, err, "byte %d changed", i)
	}
	_, err := registry.InspectSnapshot(bytes.NewReader(append(bytes.Clone(b), 0)))
	require.Error(t, err, "goes on after its end")
	_, err = registry.InspectSnapshot(iotest.TimeoutReader(bytes.NewReader(b)))
	require.ErrorIs(t, err, iotest.ErrTimeout, "what cannot be read is not called damaged")
}

func FuzzInspectSnapshot(f *testing.F) {
	_, b := saved(f)
	f.Add(b)
	f.Add(b[:30])
	f.Add([]byte("grafnode-backup\n\xff\xff\xff\xff"))
	golden, err := os.ReadFile("state/testdata/v1.snapshot")
	require.NoError(f, err)
	f.Add(golden)
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := registry.InspectSnapshot(bytes.NewReader(b))
		if err == nil {
			require.Equal(t, int64(len(b)), info.Bytes)
		}
	})
}
