package stream

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
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
