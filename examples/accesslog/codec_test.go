package accesslog_test

import (
	"encoding"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/examples/accesslog"
)

// item is what a pointer to each of the pipeline's items does.
type item[T any] interface {
	*T
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// roundTrip encodes v, decodes that, and checks that nothing changed and that no shorter or longer form is taken for it.
func roundTrip[T any, P item[T]](t *testing.T, v T) {
	t.Helper()
	b, err := P(&v).AppendBinary([]byte("before"))
	require.NoError(t, err)
	b = b[len("before"):]
	var got T
	require.NoError(t, P(&got).UnmarshalBinary(b))
	require.Equal(t, v, got)
	for n := range b {
		require.ErrorIs(t, P(new(T)).UnmarshalBinary(b[:n]), accesslog.ErrBadItem)
	}
	require.ErrorIs(t, P(new(T)).UnmarshalBinary(append(b, 0)), accesslog.ErrBadItem)
}

func TestCodec(t *testing.T) {
	roundTrip(t, accesslog.Line{Number: 1 << 40, Text: []byte("a\xff\x00")})
	q, err := accesslog.Parse(12, []byte(good))
	require.NoError(t, err)
	roundTrip(t, q)
	roundTrip(t, accesslog.Enrich(q))
}

// fuzzItem decodes b; what it takes for an item must encode and decode to itself.
func fuzzItem[T any, P item[T]](t *testing.T, b []byte) {
	var v T
	if err := P(&v).UnmarshalBinary(b); err != nil {
		require.ErrorIs(t, err, accesslog.ErrBadItem)
		require.Zero(t, v)
		return
	}
	form, err := P(&v).AppendBinary(nil)
	require.NoError(t, err)
	var again T
	require.NoError(t, P(&again).UnmarshalBinary(form))
	require.Equal(t, v, again)
}

func FuzzCodec(f *testing.F) {
	q, err := accesslog.Parse(12, []byte(good))
	require.NoError(f, err)
	for _, v := range []encoding.BinaryAppender{accesslog.Line{Number: 1, Text: []byte("x")}, q, accesslog.Enrich(q)} {
		b, err := v.AppendBinary(nil)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzItem[accesslog.Line](t, b)
		fuzzItem[accesslog.Request](t, b)
		fuzzItem[accesslog.Row](t, b)
	})
}
