package shm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
)

// The node's part, one page. Little-endian, as every machine that this package runs on.
//
//	offset  bytes
//	     0      8  magic
//	     8      4  layout version
//	    12      4  CRC32C of bytes 16 to 511
//	    16      8  capacity
//	    24      8  generation
//	    32      8  inode of the producer's part
//	    40      8  inode of the consumer's part
//	    48      2  length of the arena's name
//	    50      2  length of the edge's name
//	    52    128  arena's name
//	   180    128  edge's name
//	   512    128  ring.Control: the only words that change
const (
	headerBytes   = 512
	headerVersion = 3
	nameMax       = 128
	controlOffset = 512

	crcOffset   = 12
	bodyOffset  = 16
	arenaOffset = 52
	edgeOffset  = arenaOffset + nameMax
)

var magic = [8]byte{'g', 'r', 'a', 'f', 'r', 'i', 'n', 'g'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what stands in the node's part before anybody attaches, and never changes.
type header struct {
	config   fabric.Config // but the deadline, which changes
	producer uint64        // inodes
	consumer uint64
}

// encode returns the header's bytes. The names fit: New has checked them.
func (h header) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, magic[:])
	le := binary.LittleEndian
	le.PutUint32(b[8:], headerVersion)
	le.PutUint64(b[16:], uint64(h.config.Capacity))
	le.PutUint64(b[24:], uint64(h.config.Generation))
	le.PutUint64(b[32:], h.producer)
	le.PutUint64(b[40:], h.consumer)
	le.PutUint16(b[48:], uint16(len(h.config.Arena)))
	le.PutUint16(b[50:], uint16(len(h.config.Edge)))
	copy(b[arenaOffset:edgeOffset], h.config.Arena)
	copy(b[edgeOffset:], h.config.Edge)
	le.PutUint32(b[crcOffset:], crc32.Checksum(b[bodyOffset:], castagnoli))
	return b
}

// decodeHeader reads and checks a header.
func decodeHeader(b []byte) (header, error) {
	le := binary.LittleEndian
	switch {
	case len(b) != headerBytes:
		return header{}, fmt.Errorf("header of %d bytes: %w", len(b), fabric.ErrCorrupt)
	case !bytes.Equal(b[:len(magic)], magic[:]):
		return header{}, fmt.Errorf("no ring's header (magic %x): %w", b[:len(magic)], fabric.ErrCorrupt)
	case le.Uint32(b[8:]) != headerVersion:
		return header{}, fmt.Errorf("ring layout version %d, this side knows %d: %w", le.Uint32(b[8:]), headerVersion, fabric.ErrUnsupported)
	case le.Uint32(b[crcOffset:]) != crc32.Checksum(b[bodyOffset:], castagnoli):
		return header{}, fmt.Errorf("header checksum: %w", fabric.ErrCorrupt)
	}
	arena, edge := int(le.Uint16(b[48:])), int(le.Uint16(b[50:]))
	if arena > nameMax || edge > nameMax || le.Uint64(b[16:]) > fabric.CapacityMax {
		return header{}, fmt.Errorf("header lengths %d, %d or capacity %d: %w", arena, edge, le.Uint64(b[16:]), fabric.ErrCorrupt)
	}
	h := header{
		config: fabric.Config{
			Arena:      locator.ArenaID(b[arenaOffset : arenaOffset+arena]),
			Edge:       string(b[edgeOffset : edgeOffset+edge]),
			Generation: fence.Epoch(le.Uint64(b[24:])),
			Capacity:   int(le.Uint64(b[16:])),
		},
		producer: le.Uint64(b[32:]),
		consumer: le.Uint64(b[40:]),
	}
	if err := h.config.Validate(); err != nil {
		return header{}, fmt.Errorf("%w: %w", fabric.ErrCorrupt, err)
	}
	return h, nil
}

// matches reports what in the header is not as want says; the deadline does not count.
func (h header) matches(want fabric.Config) error {
	want.Deadline = 0
	if h.config != want {
		return fmt.Errorf("the memory is of arena %s, edge %s, generation %d, capacity %d; expected %s, %s, %d, %d: %w",
			h.config.Arena, h.config.Edge, h.config.Generation, h.config.Capacity,
			want.Arena, want.Edge, want.Generation, want.Capacity, fabric.ErrCorrupt)
	}
	return nil
}
