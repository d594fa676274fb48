package ring

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

func TestNote(t *testing.T) {
	var n Note
	for length := fabric.NoteBytesMax; length >= 0; length -= 13 {
		want := bytes.Repeat([]byte{byte(length), 1, 2}, length)[:length]
		n.write(7, uint64(length), want)
		got, ok := n.read(7, uint64(length))
		require.True(t, ok)
		require.True(t, bytes.Equal(want, got), "length %d", length)
	}
	last := bytes.Repeat([]byte{1, 2}, 100)
	n.write(7, fabric.NoteBytesMax, last)
	_, ok := n.read(8, fabric.NoteBytesMax)
	require.False(t, ok, "another generation's")
	_, ok = n.read(7, 1)
	require.False(t, ok, "another note's")
	n.words[3].Add(1)
	_, ok = n.read(7, fabric.NoteBytesMax)
	require.False(t, ok, "damaged")
}

// FuzzNote reads notes from words that anybody may have written.
func FuzzNote(f *testing.F) {
	var n Note
	n.write(7, 1, []byte("a note"))
	f.Add(n.head.Load(), []byte("a note"))
	f.Add(^uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, head uint64, content []byte) {
		var n Note
		n.head.Store(head)
		for i := 0; i < noteWords && len(content) >= 8*(i+1); i++ {
			n.words[i].Store(binary.LittleEndian.Uint64(content[8*i:]))
		}
		note, ok := n.read(7, 1)
		require.LessOrEqual(t, len(note), fabric.NoteBytesMax)
		if ok {
			require.Equal(t, uint64(sum(7, 1, note)), head>>32)
		}
	})
}
