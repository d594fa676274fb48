package rdma_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/rdma/verbsfake"
)

// What a record costs, counted, where time would say nothing: the adapter is not one. The bounds are those of a batch of 64 records of 64 bytes.
func TestCostOfABatch(t *testing.T) {
	needsFake(t)
	const batch, batches, recordBytes = 64, 400, 64
	h := newHosts(t, fabrictest.Config(1<<20), 3)
	s := attached(t, h)
	s.push(make([]byte, recordBytes)) // what setting up costs is paid
	require.NoError(t, s.p.Flush())
	s.pop()
	require.NoError(t, s.c.Ack(1, nil))
	far, own := h.farHost.Counts(), h.ownerHost.Counts()
	farBefore, ownBefore := h.far.Stats(), h.owner.Stats()
	acked := uint64(1)
	allocs := testing.AllocsPerRun(batches-1, func() {
		b, err := s.p.Begin()
		require.NoError(t, err)
		for range batch {
			_, err := b.Claim(recordBytes)
			require.NoError(t, err)
			require.NoError(t, b.Commit())
		}
		require.NoError(t, b.End())
		for range batch {
			s.pop()
		}
		acked += batch
		require.NoError(t, s.c.Ack(acked, nil))
	})
	const items = batch * batches
	perItem := func(what string, n uint64, most float64) {
		t.Helper()
		t.Logf("%-32s %8d, %.4f per item", what, n, float64(n)/items)
		require.LessOrEqual(t, float64(n)/items, most, what)
	}
	farNow, ownNow := h.farHost.Counts(), h.ownerHost.Counts()
	farStats, ownStats := h.far.Stats(), h.owner.Stats()
	perItem("sender: crossings", uint64(farNow.Crossings-far.Crossings), 1./16)
	perItem("owner: crossings", uint64(ownNow.Crossings-own.Crossings), 1./16)
	perItem("sender: posts", uint64(farNow.Posts-far.Posts), 1.1/batch) // now and then one that tells of receives
	perItem("sender: writes", uint64(farNow.Writes-far.Writes), 2.2/batch)
	perItem("sender: completions", uint64(farNow.Completions-far.Completions), 1./batch)
	perItem("sender: word bytes", uint64(farNow.InlineBytes-far.InlineBytes), 24*1.1/batch)
	require.Zero(t, ownNow.InlineBytes-own.InlineBytes, "the owner writes no bytes")
	require.Zero(t, ownNow.Bytes-own.Bytes, "the owner writes no bytes")
	const rows = 4 * batches // of a batch, which is one as far as it is published at once and does not come round the ring's end
	require.InDelta(t, items*recordBytes, farNow.Bytes-far.Bytes, fabric.HeaderBytes*rows, "each byte of the ring goes over the wire once")
	require.Less(t, allocs, float64(batch)/2, "allocations for each record, the fake's own included")

	// The package's own counts, which are all that there is with an adapter, are the fake's.
	require.EqualValues(t, farNow.Posts-far.Posts, farStats.Posts-farBefore.Posts)
	require.EqualValues(t, farNow.Writes-far.Writes, farStats.Writes-farBefore.Writes)
	require.EqualValues(t, farNow.Bytes-far.Bytes, farStats.Bytes-farBefore.Bytes)
	require.EqualValues(t, farNow.InlineBytes-far.InlineBytes, farStats.WordBytes-farBefore.WordBytes)
	require.EqualValues(t, ownNow.InlineBytes-own.InlineBytes, ownStats.WordBytes-ownBefore.WordBytes)
}

// A record is claimed, and so filled in, in the memory that the adapter sends from: there is no copy after that.
func TestClaimsLieInRegisteredMemory(t *testing.T) {
	s := newSides(t, 4)
	r := s.farPair().Region(0).Remote()
	for n := range uint64(3 * fabric.CapacityMin / 1000) {
		b, err := s.p.Claim(900)
		require.NoError(t, err)
		from := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) - r.At
		require.Less(t, from, 2*r.Bytes, "in the mirror, or its second view")
		require.NoError(t, s.p.Commit())
		require.NoError(t, s.p.Flush())
		s.pop()
		require.NoError(t, s.c.Ack(n+1, nil))
	}
}

// An adapter may write a word byte by byte, so nothing is written that somebody may be reading: at the producer's host nothing at all, and what it
// writes with a message lies where that of the one before did not.
func TestNothingIsReadWhileItIsWritten(t *testing.T) {
	needsFake(t)
	s := newSides(t, 13)
	require.Zero(t, s.farHost.Writable())
	require.Equal(t, 2, s.ownerHost.Writable(), "the ring's data, and the words")
	for range 300 { // comes round all the places
		s.push(make([]byte, 8))
		require.NoError(t, s.p.Flush())
		s.pop()
	}
	records := map[uint64]bool{}
	for words := range slices.Chunk(s.ownerPair().Region(1).(*verbsfake.Region).Bytes(), 24) {
		records[binary.NativeEndian.Uint64(words)] = true
	}
	require.Greater(t, len(records), 100, "128 messages may be under way, of which a few say of records what the one before has")
}
