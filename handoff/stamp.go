package handoff

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/bits"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// Check says how much of a record its check covers.
type Check uint8

// The checks. Which one a record has stands in its header.
const (
	// CheckAll is CRC32C over all of it.
	CheckAll Check = 0
	// CheckHeader covers generation, number, length, header and leaps, and not the payloads. It is for memory that both sides share,
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

// seal writes the header of record number seq, whose payloads and leaps are there. what is its word, p its first position.
func (s *stamp) seal(b []byte, p position.Position, what, seq uint64) {
	_ = b[:HeaderBytes]
	binary.LittleEndian.PutUint64(b[8:], what)
	binary.LittleEndian.PutUint64(b[16:], p.Offset)
	binary.LittleEndian.PutUint64(b[24:], p.Sub)
	if Check(what>>40) == CheckHeader { // without reading what was just written
		binary.LittleEndian.PutUint64(b, uint64(s.fold(b, seq, what, p.Offset, p.Sub))|seq<<32)
		return
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(seq))
	binary.LittleEndian.PutUint32(b, s.crcOf(b, seq))
}

// verify checks record number seq and returns its word. What it says of items and positions is for its reader to judge.
func (s *stamp) verify(b []byte, seq uint64) (what uint64, err error) {
	if len(b) < HeaderBytes || binary.LittleEndian.Uint32(b[4:]) != uint32(seq) {
		return 0, misplaced(b, seq)
	}
	what = binary.LittleEndian.Uint64(b[8:])
	kind, check := Kind(what>>32), Check(what>>40)
	if kind < Item || kind > End || check > CheckHeader || kind != Item && what>>48 != 0 {
		return 0, fmt.Errorf("record %d has kind %#x: %w", seq, what>>32, ErrDamaged)
	}
	want := binary.LittleEndian.Uint32(b)
	var sum uint32
	if check == CheckHeader {
		sum = s.fold(b, seq, what, binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:]))
	} else {
		sum = s.crcOf(b, seq)
	}
	if sum != want {
		return 0, fmt.Errorf("record %d: check %08x, computed %08x: %w", seq, want, sum, ErrDamaged)
	}
	return what, nil
}

// crcOf is the check of all of record number seq.
func (s *stamp) crcOf(b []byte, seq uint64) uint32 {
	binary.LittleEndian.PutUint64(s.number[:], seq)
	return crc32.Update(crc32.Update(s.crc, castagnoli, s.number[:]), castagnoli, b[4:])
}

// fold is a sum of the words but payloads, each times an odd number of its own: it costs less than a CRC, and no change of one word
// leaves the sum as it is. Its caller has those of the header at hand.
func (s *stamp) fold(b []byte, seq, what, offset, sub uint64) uint32 {
	h := s.seed + uint64(len(b))*0xA0761D6478BD642F + what*0xE7037ED1A0B428DB +
		seq*0xD6E8FEB86659FD93 + offset*0x8EBC6AF09C88C6E3 + sub*0x589965CC75374CC3
	if leaps := int(what >> 56); leaps > 0 {
		for words := b[max(HeaderBytes, len(b)-leaps*leapBytes):]; len(words) >= 8; words = words[8:] {
			h = bits.RotateLeft64(h, 29)*0x9E3779B97F4A7C15 + binary.LittleEndian.Uint64(words)
		}
	}
	h ^= h >> 32
	return uint32(h * 0xEB44ACCAB455D165 >> 32)
}
