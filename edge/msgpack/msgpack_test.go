package msgpack_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/msgpack"
)

type item struct {
	Name string
	Tags map[string][]byte
	N    int64
}

var _ edge.Codec[item] = msgpack.Codec[item]{}

func TestItemsSurvive(t *testing.T) {
	var c msgpack.Codec[item]
	want := item{Name: "a", Tags: map[string][]byte{"b": {1, 2}}, N: -7}
	b, err := c.Append([]byte("before"), want)
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	got, err := c.Decode(b[6:])
	require.NoError(t, err)
	require.Equal(t, want, got)
	clear(b)
	require.Equal(t, want, got, "nothing of the ring is kept")
	_, err = c.Decode([]byte{0xff})
	require.ErrorContains(t, err, "decode msgpack_test.item")
}

// FuzzDecode decodes what anybody may have sent.
func FuzzDecode(f *testing.F) {
	var c msgpack.Codec[item]
	b, err := c.Append(nil, item{Name: "a", Tags: map[string][]byte{"b": {1}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := c.Decode(b)
		if err != nil {
			return
		}
		again, err := c.Append(nil, v)
		require.NoError(t, err)
		_, err = c.Decode(again)
		require.NoError(t, err)
	})
}
