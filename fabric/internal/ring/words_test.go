package ring

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// TestLayout holds the words against the tables in words.go: other processes, perhaps of another version, read them.
func TestLayout(t *testing.T) {
	var c Control
	require.EqualValues(t, ControlBytes, unsafe.Sizeof(c))
	require.EqualValues(t, 0, unsafe.Offsetof(c.Deadline))
	require.EqualValues(t, 8, unsafe.Offsetof(c.Sealed))
	require.EqualValues(t, 12, unsafe.Offsetof(c.Bell))

	var p ProducerWords
	require.EqualValues(t, ProducerWordsBytes, unsafe.Sizeof(p))
	require.EqualValues(t, 0, unsafe.Offsetof(p.Tail))
	require.EqualValues(t, 140, unsafe.Offsetof(p.Orders))
	require.EqualValues(t, 256, unsafe.Offsetof(p.Count))
	require.EqualValues(t, 384, unsafe.Offsetof(p.Held))
	require.EqualValues(t, 128, unsafe.Offsetof(p.Waiting))
	require.EqualValues(t, 136, unsafe.Offsetof(p.Bell))
	require.EqualValues(t, 512, unsafe.Offsetof(p.Active))

	var w ConsumerWords
	require.EqualValues(t, ConsumerWordsBytes, unsafe.Sizeof(w))
	require.EqualValues(t, 0, unsafe.Offsetof(w.Acked))
	require.EqualValues(t, 24, unsafe.Offsetof(w.Count))
	require.EqualValues(t, 8, unsafe.Offsetof(w.Stable))
	require.EqualValues(t, 16, unsafe.Offsetof(w.Resume))
	require.EqualValues(t, 128, unsafe.Offsetof(w.Waiting))
	require.EqualValues(t, 64, unsafe.Offsetof(w.Hungry))
	require.EqualValues(t, 136, unsafe.Offsetof(w.Bell))
	require.EqualValues(t, 140, unsafe.Offsetof(w.Orders))
	require.EqualValues(t, 256, unsafe.Offsetof(w.ResumeNote))
	require.EqualValues(t, 4264, unsafe.Offsetof(w.StableNotes))
	require.EqualValues(t, 12280, unsafe.Offsetof(w.Want))
	require.EqualValues(t, 8+fabric.NoteBytesMax, unsafe.Sizeof(w.ResumeNote))
}

func TestRecordSizes(t *testing.T) {
	for n := range 100 {
		size := fabric.RecordBytes(n)
		require.Zero(t, size%8)
		require.GreaterOrEqual(t, size, uint64(n+fabric.HeaderBytes))
		require.LessOrEqual(t, size, uint64(n+fabric.RecordOverhead))
	}
	for capacity := fabric.CapacityMin; capacity <= fabric.CapacityMax; capacity *= 2 {
		largest := fabric.RecordBytes(fabric.RecordMax(capacity))
		require.LessOrEqual(t, 4*largest, uint64(capacity))
		require.LessOrEqual(t, uint64(capacity-8)+largest, uint64(DataBytes(capacity)), "a record that begins last")
	}
}

func TestHeaderDependsOnWhatItSaysPlaceAndGeneration(t *testing.T) {
	const longest = 1 << 10
	seen := map[uint64]bool{}
	for generation := range uint64(4) {
		for at := uint64(0); at < 64*8; at += 8 {
			for n := range uint32(64) {
				for _, count := range []uint32{1, 2, fabric.RowMax} {
					h := fabric.Header(fabric.Seed(generation), at, n, count)
					require.False(t, seen[h])
					seen[h] = true
					row, ok := fabric.ReadHeader(fabric.Seed(generation), at, h, longest)
					require.Equal(t, uint64(n), row.Length)
					require.Equal(t, uint64(count), row.Count)
					require.Equal(t, count == 1 || n > 0 && row.Count*row.Stride <= longest, ok)
					_, ok = fabric.ReadHeader(fabric.Seed(generation), at+8, h, longest)
					require.False(t, ok)
				}
			}
		}
	}
}
