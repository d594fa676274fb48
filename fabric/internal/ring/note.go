package ring

import (
	"encoding/binary"
	"hash/crc32"
	"structs"
	"sync/atomic"

	"github.com/grafnode/grafnode/fabric"
)

const noteWords = fabric.NoteBytesMax / 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Note is a place for one note: its length (low half) and checksum (high half) in one word, then its bytes in words. It is
// words rather than bytes because a reader may look while a stable note is being replaced, and Go allows that for atomics
// only.
type Note struct {
	_     structs.HostLayout
	head  atomic.Uint64
	words [noteWords]atomic.Uint64
}

// sum binds a note to its ring's generation and to its number among the stable notes.
func sum(generation, number uint64, note []byte) uint32 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], generation)
	binary.LittleEndian.PutUint64(b[8:], number)
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, note)
}

// write stores a note of at most fabric.NoteBytesMax bytes. Its number is published afterwards, by the caller.
func (n *Note) write(generation, number uint64, note []byte) {
	n.head.Store(uint64(sum(generation, number, note))<<32 | uint64(len(note)))
	for i := 0; len(note) > 0; i++ {
		var word [8]byte
		note = note[copy(word[:], note):]
		n.words[i].Store(binary.LittleEndian.Uint64(word[:]))
	}
}

// read returns a copy of the note, and whether it is whole and has this number.
func (n *Note) read(generation, number uint64) ([]byte, bool) {
	head := n.head.Load()
	length := int(uint32(head))
	if length > fabric.NoteBytesMax {
		return nil, false
	}
	b := make([]byte, 0, (length+7)&^7)
	for i := 0; len(b) < length; i++ {
		b = binary.LittleEndian.AppendUint64(b, n.words[i].Load())
	}
	b = b[:length]
	return b, sum(generation, number, b) == uint32(head>>32)
}
