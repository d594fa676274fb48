package ring

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/fabric"
)

// kept is a record that a Batch's user keeps where it lies.
type kept struct {
	at   uint64
	here []byte
	was  []byte
}

// TestWhatIsKeptIsNotWrittenOver has a consumer that acks all that it sees while the producer's user keeps it: nothing from
// Kept on changes until the user moves that, and then the ring goes on.
func TestWhatIsKeptIsNotWrittenOver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := newParts()
		p := NewProducer(r.setup(), &r.producer, r.data)
		BindProducer(p, &r.consumer)
		b, err := p.Begin()
		require.NoError(t, err)
		var all []kept
		for n := range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				drop := rapid.IntRange(0, len(all)).Draw(t, "drop")
				all = slices.Delete(all, 0, drop)
			case 1:
				require.NoError(t, b.Flush())
				r.consumer.Acked.Store(r.producer.Tail.Load())
			case 2:
				all = putRow(t, b, all, byte(n))
			default:
				size := rapid.IntRange(0, fabric.RecordMax(fabric.CapacityMin)).Draw(t, "size")
				all = put(t, b, all, size, byte(n))
			}
			for _, k := range all {
				require.True(t, bytes.Equal(k.was, k.here), "the record at %d", k.at)
			}
		}
		require.NoError(t, b.End())
		require.NoError(t, p.Close())
	})
}

// put writes a record the way of package edge, if there is room.
func put(t *rapid.T, b *fabric.Batch, all []kept, size int, fill byte) []kept {
	if !b.Fits(size) {
		b.Kept = fabric.KeepNone
		if len(all) > 0 {
			b.Kept = all[0].at
		}
		if _, err := b.Claim(size); err != nil {
			require.True(t, errors.Is(err, fabric.ErrFull), "%v", err)
			return all
		}
		b.Abort()
	}
	here := b.Add(size)
	at, _ := b.Last()
	for i := range here {
		here[i] = fill
	}
	if found, _ := b.Record(at, size); len(found) != size || size > 0 && &found[0] != &here[0] {
		t.Fatalf("the record at %d is not found there", at)
	}
	return append(all, kept{at, here, bytes.Clone(here)})
}

// putRow writes records of one length in one go, fewer than it might.
func putRow(t *rapid.T, b *fabric.Batch, all []kept, fill byte) []kept {
	size := rapid.IntRange(0, 1000).Draw(t, "size in the row")
	if !b.Fits(size) {
		return all
	}
	row, err := b.ClaimRow(size, rapid.IntRange(1, 300).Draw(t, "claimed"))
	require.NoError(t, err)
	at, _ := b.Last()
	count := rapid.IntRange(0, row.N).Draw(t, "of which")
	for i := range count {
		here := row.At(i)
		for j := range here {
			here[j] = fill
		}
		all = append(all, kept{at + uint64(i*row.Stride), here, bytes.Clone(here)})
	}
	require.NoError(t, b.CommitRow(count))
	return all
}
