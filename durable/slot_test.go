package durable

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzDecodeSlot(f *testing.F) {
	f.Add(0, formatMark)
	f.Add(1, slot{sequence: 7, epoch: 3, value: []byte("value")}.encode())
	f.Add(0, make([]byte, slotHeaderBytes))
	f.Add(1, append(slot{sequence: 1, value: []byte("x")}.encode(), 0xff))
	f.Fuzz(func(t *testing.T, index int, b []byte) {
		s, err := decodeSlot(index&1, b)
		if err != nil {
			return
		}
		again, err := decodeSlot(index&1, s.encode())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}

func TestSlotLayout(t *testing.T) {
	b := slot{sequence: 0x0807060504030201, epoch: 9, value: []byte("v")}.encode()
	require.Len(t, b, slotHeaderBytes+1)
	require.Equal(t, slotMagic, string(b[:8]))
	require.Equal(t, []byte{1, 0, 0, 0, 0, 0, 0, 0}, b[8:16])
	require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8}, b[16:24])
	require.Equal(t, byte(9), b[24])
	require.Equal(t, byte(1), b[32])
	require.Equal(t, slotHeaderBytes, len(formatMark))
}
