package shm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

func testHeader() header {
	return header{
		config:   fabric.Config{Arena: "arena", Edge: "access-log.parse", Generation: 9, Capacity: 1 << 20},
		producer: 17,
		consumer: 18,
	}
}

func TestHeaderRoundTrip(t *testing.T) {
	b := testHeader().encode()
	require.Len(t, b, headerBytes)
	h, err := decodeHeader(b)
	require.NoError(t, err)
	require.Equal(t, testHeader(), h)
	want := h.config
	want.Deadline = 5
	require.NoError(t, h.matches(want))
	want.Generation++
	require.ErrorIs(t, h.matches(want), fabric.ErrCorrupt)
}

func TestHeaderRefusesEveryFlippedBit(t *testing.T) {
	good := testHeader().encode()
	for i := range 8 * len(good) {
		b := append([]byte(nil), good...)
		b[i/8] ^= 1 << (i % 8)
		_, err := decodeHeader(b)
		require.Error(t, err, "bit %d", i)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(testHeader().encode())
	f.Add([]byte{})
	f.Add(make([]byte, headerBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader(b)
		if err != nil {
			return
		}
		again, err := decodeHeader(h.encode())
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}
