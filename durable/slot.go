package durable

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/grafnode/grafnode/fence"
)

// A slot holds one version of the value. Little-endian:
//
//	offset  size  field
//	0       8     magic "GNSLOT\r\n"
//	8       4     version, 1
//	12      4     zero
//	16      8     sequence: how many Puts came before; its parity is the slot's number
//	24      8     epoch that wrote it
//	32      8     length of the value
//	40      4     zero
//	44      4     CRC32C of the bytes 0 to 43, then of the value
//	48      ...   value
//
// Sequence 0 is the format mark: it says that nothing was put, is the same in every region, and has no value.
const (
	slotMagic       = "GNSLOT\r\n"
	slotVersion     = 1
	slotHeaderBytes = 48
	slotSumAt       = 44
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// formatMark is the slot of sequence 0.
var formatMark = slot{}.encode()

// errBlank says that a slot was never written, or that writing the format mark was interrupted.
var errBlank = errors.New("never written")

type slot struct {
	sequence uint64
	epoch    fence.Epoch
	value    []byte // nil: nothing was put
}

func (s slot) encode() []byte {
	b := make([]byte, slotHeaderBytes+len(s.value))
	copy(b, slotMagic)
	binary.LittleEndian.PutUint32(b[8:], slotVersion)
	binary.LittleEndian.PutUint64(b[16:], s.sequence)
	binary.LittleEndian.PutUint64(b[24:], uint64(s.epoch))
	binary.LittleEndian.PutUint64(b[32:], uint64(len(s.value)))
	copy(b[slotHeaderBytes:], s.value)
	binary.LittleEndian.PutUint32(b[slotSumAt:], slotSum(b))
	return b
}

func slotSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:slotSumAt], castagnoli), castagnoli, b[slotHeaderBytes:])
}

// decodeSlot reads slot number index from the bytes of its whole place. The value aliases b.
func decodeSlot(index int, b []byte) (slot, error) {
	if isBlank(b) {
		return slot{}, errBlank
	}
	if len(b) < slotHeaderBytes {
		return slot{}, fmt.Errorf("%d bytes are too few", len(b))
	}
	if string(b[:8]) != slotMagic {
		return slot{}, fmt.Errorf("magic is %x", b[:8])
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != slotVersion {
		return slot{}, fmt.Errorf("version is %d, this program reads %d", v, slotVersion)
	}
	n := binary.LittleEndian.Uint64(b[32:])
	if n > uint64(len(b)-slotHeaderBytes) {
		return slot{}, fmt.Errorf("length is %d, room for %d", n, len(b)-slotHeaderBytes)
	}
	b = b[:slotHeaderBytes+int(n)]
	if sum, want := slotSum(b), binary.LittleEndian.Uint32(b[slotSumAt:]); sum != want {
		return slot{}, fmt.Errorf("check is %08x, computed %08x", want, sum)
	}
	s := slot{sequence: binary.LittleEndian.Uint64(b[16:]), epoch: fence.Epoch(binary.LittleEndian.Uint64(b[24:]))}
	if s.sequence%2 != uint64(index) {
		return slot{}, fmt.Errorf("sequence %d does not belong here", s.sequence)
	}
	if (n == 0) != (s.sequence == 0) {
		return slot{}, fmt.Errorf("sequence %d with a value of %d bytes", s.sequence, n)
	}
	if n > 0 {
		s.value = b[slotHeaderBytes:]
	}
	return s, nil
}

// isBlank reports whether b is all zero, but for any bytes of the format mark that an interrupted first write left.
func isBlank(b []byte) bool {
	whole := len(b) >= len(formatMark)
	for i, c := range b {
		if i < len(formatMark) {
			if c != 0 && c != formatMark[i] {
				return false
			}
			whole = whole && c == formatMark[i]
		} else if c != 0 {
			return false
		}
	}
	return !whole
}
