package handoff

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/grafnode/grafnode/fence"
)

// Check says how much of a record its check covers.
type Check uint8

// The checks. Which one a record has stands in its header.
const (
	// CheckAll is CRC32C over all of it.
	CheckAll Check = 0
	// CheckHeader covers generation, number, length and header, and not the payload. It is for memory that both sides share,
	// where nothing but a hostile or broken side can change a payload, and such a side could give it any check.
	CheckHeader Check = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// stamp computes the checks of one generation's records.
type stamp struct {
	crc    uint32 // of the generation
	seed   uint64
	number [8]byte // a record's, for crc32, which lets its argument escape
}

func stampOf(gen fence.Epoch) stamp {
	b := binary.LittleEndian.AppendUint64(nil, uint64(gen))
	return stamp{crc: crc32.Checksum(b, castagnoli), seed: uint64(gen) * 0x9E3779B97F4A7C15}
}

// sum returns the check of the record b with the number seq.
func (s *stamp) sum(b []byte, seq uint64, check Check) uint32 {
	if check == CheckHeader {
		return s.fold(b, seq)
	}
	binary.LittleEndian.PutUint64(s.number[:], seq)
	return crc32.Update(crc32.Update(s.crc, castagnoli, s.number[:]), castagnoli, b[4:])
}

// fold is a sum of the words, each times an odd number of its own: it costs less than a CRC, and no change of one word leaves
// the sum as it is.
func (s *stamp) fold(b []byte, seq uint64) uint32 {
	_ = b[HeaderBytes-1]
	return s.mix(len(b), seq, binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:]))
}

// mix is fold for who has the words at hand.
func (s *stamp) mix(n int, seq, what, offset, sub uint64) uint32 {
	return mixIn(s.base(n, what), seq, offset, sub)
}

// base is the part of mix that is the same for all records of one length, lane and kind.
func (s *stamp) base(n int, what uint64) uint64 {
	return s.seed + uint64(n)*0xA0761D6478BD642F + what*0xE7037ED1A0B428DB
}

// mixIn is the rest of mix.
func mixIn(base, seq, offset, sub uint64) uint32 {
	h := base + seq*0xD6E8FEB86659FD93 + offset*0x8EBC6AF09C88C6E3 + sub*0x589965CC75374CC3
	h ^= h >> 32
	return uint32(h * 0xEB44ACCAB455D165 >> 32)
}
