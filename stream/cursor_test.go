package stream

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/position"
)

func FuzzDecodeStoredVector(f *testing.F) {
	f.Add(encodeVector(position.VectorOf(position.Position{Lane: 1, Offset: 2}, position.EndOfLane(4))))
	f.Add([]byte{})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decodeVector(b)
		if err != nil {
			require.ErrorIs(t, err, api.ErrCorrupt)
			return
		}
		require.Equal(t, b, encodeVector(v))
	})
}

// A stage that takes over has a cursor from its store and an edge on which nothing is acknowledged yet: it waits for more, and
// does not turn back.
func TestACursorWaitsForWhatIsNew(t *testing.T) {
	at := func(offset uint64) position.Vector { return position.VectorOf(position.Position{Offset: offset}) }
	c := &cursor{store: durable.NewRegister(&durabletest.Registry{}, "c"), epoch: 1, saved: at(9)}
	_, _, err := c.store.Fence(t.Context(), 1)
	require.NoError(t, err)
	following, stop := context.WithCancel(t.Context())
	news := []position.Vector{at(5), at(12)}
	var saved []position.Vector
	require.NoError(t, c.follow(t.Context(), following, func(_ context.Context, seen position.Vector) (position.Vector, error) {
		saved = append(saved, c.saved)
		if len(news) == 0 {
			stop()
			return seen, following.Err()
		}
		now := news[0]
		require.False(t, now.Equal(seen))
		news = news[1:]
		return now, nil
	}))
	require.Equal(t, []position.Vector{at(9), at(9), at(12)}, saved)
}
