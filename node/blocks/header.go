package blocks

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

// A region's file begins with two slots, each in a page of its own; the data follows. A new header goes into the slot that
// does not hold the current one, so a torn write leaves the current one whole. A slot, little-endian:
//
//	offset  bytes
//	     0      8  magic
//	     8      8  sequence; of two good slots the higher one counts
//	    16      8  fence epoch
//	    24      8  length of the data, bytes
//	    32      8  number of the last write under the epoch
//	    40      4  CRC32C of all before
const (
	magic     = "GNBLOCK\x01"
	slotBytes = 44
	slotEvery = 4096
	dataAt    = 2 * slotEvery
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	sequence uint64
	epoch    fence.Epoch
	bytes    uint64
	number   uint64
}

func (h header) encode() []byte {
	b := append(make([]byte, 0, slotBytes), magic...)
	b = binary.LittleEndian.AppendUint64(b, h.sequence)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.epoch))
	b = binary.LittleEndian.AppendUint64(b, h.bytes)
	b = binary.LittleEndian.AppendUint64(b, h.number)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// slotAt is where the header of that sequence is written.
func slotAt(sequence uint64) int64 { return int64(sequence%2) * slotEvery }

func decodeSlot(b []byte) (header, bool) {
	if len(b) < slotBytes || string(b[:8]) != magic {
		return header{}, false
	}
	if crc32.Checksum(b[:40], castagnoli) != binary.LittleEndian.Uint32(b[40:]) {
		return header{}, false
	}
	return header{
		sequence: binary.LittleEndian.Uint64(b[8:]),
		epoch:    fence.Epoch(binary.LittleEndian.Uint64(b[16:])),
		bytes:    binary.LittleEndian.Uint64(b[24:]),
		number:   binary.LittleEndian.Uint64(b[32:]),
	}, true
}

// decodeHeader picks the newer good slot from a file's first dataAt bytes. size is the file's length.
func decodeHeader(b []byte, size int64) (header, error) {
	if len(b) < dataAt {
		return header{}, fmt.Errorf("blocks: header is cut off after %d bytes: %w", len(b), api.ErrCorrupt)
	}
	first, ok := decodeSlot(b[:slotEvery])
	second, ok2 := decodeSlot(b[slotEvery:dataAt])
	switch {
	case !ok && !ok2:
		return header{}, fmt.Errorf("blocks: both header slots are damaged: %w", api.ErrCorrupt)
	case !ok || ok2 && second.sequence > first.sequence:
		first = second
	}
	if uint64(size-dataAt) != first.bytes {
		return header{}, fmt.Errorf("blocks: file of %d bytes says it holds %d: %w", size, first.bytes, api.ErrCorrupt)
	}
	return first, nil
}
