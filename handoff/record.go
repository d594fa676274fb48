package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// Kind says what a record is.
type Kind uint8

// The kinds of record.
const (
	Item Kind = 1 // a value
	Mark Kind = 2 // "everything up to this position is out"; carries no value
	End  Kind = 3 // the mark after which its lane has nothing more, ever
)

// Entry is a record before it is bound to a ring: what is kept until its acknowledgement.
type Entry struct {
	Pos     position.Position
	Kind    Kind
	Payload []byte // items only
}

// ErrDamaged says that a record failed its check, or that one is missing before it. The consumer binds another ring; it
// never skips (rule 7).
var ErrDamaged = errors.New("handoff: record damaged or missing")

// A record in a ring, little-endian:
//
//	offset  size  field
//	0       4     check over generation, number and record: see Check. CRC32C is taken over generation (8), number (8), then
//	              the record from offset 4 to its end
//	4       4     low half of the record's dense number in this ring, from 1
//	8       4     lane
//	12      1     kind
//	13      1     what the check covers
//	14      1     items in it, less one
//	15      1     leaps in it, see Items
//	16      8     offset
//	24      8     sub
//	32      ...   payload
//
// One of several items has the position of the first, all payloads one behind the other, and then the leaps.
//
// The generation and the full number are in the check, not in the record: a record of another generation, or one that is
// not the next, fails it.
const HeaderBytes = 32

// Where fields lie that are read by themselves.
const (
	atCheck = 13
	atItems = 14
	atLeaps = 15
)

// Size returns the bytes that e takes in a ring.
func (e Entry) Size() int { return HeaderBytes + len(e.Payload) }

// Put writes e as record number seq of generation gen into b, which must have e.Size() bytes, with a check of all of it.
func (e *Entry) Put(b []byte, gen fence.Epoch, seq uint64) {
	s := stampOf(gen)
	e.put(b, &s, seq, CheckAll)
}

func (e *Entry) put(b []byte, s *stamp, seq uint64, check Check) {
	copy(b[HeaderBytes:HeaderBytes+len(e.Payload)], e.Payload)
	s.seal(b, e.Pos, word(e.Pos.Lane, e.Kind, check), seq)
}

// word is the word of a record's header that says what it is, of one item or mark.
func word(lane position.Lane, kind Kind, check Check) uint64 {
	return uint64(lane) | (uint64(kind)|uint64(check)<<8)<<32
}

// decode reads and verifies record number seq of the generation that s is of. Its payload aliases b.
func (e *Entry) decode(b []byte, s *stamp, seq uint64) error {
	what, err := s.verify(b, seq)
	if err != nil {
		return err
	}
	if what>>48 != 0 {
		return fmt.Errorf("record %d is of %d items where one was due: %w", seq, ItemsIn(b), ErrDamaged)
	}
	e.Pos, e.Kind, e.Payload = positionIn(b), Kind(what>>32), b[HeaderBytes:]
	if err := e.Pos.Validate(); err != nil {
		return fmt.Errorf("record %d: %w: %w", seq, err, ErrDamaged)
	}
	return nil
}

// positionIn reads the position in a record's header.
func positionIn(b []byte) position.Position {
	return position.Position{
		Lane:   position.Lane(binary.LittleEndian.Uint32(b[8:])),
		Offset: binary.LittleEndian.Uint64(b[16:]),
		Sub:    binary.LittleEndian.Uint64(b[24:]),
	}
}

// appendPosition appends a record's header in which there is nothing but the position.
func appendPosition(b []byte, p position.Position) []byte {
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Lane))
	b = binary.LittleEndian.AppendUint64(b, p.Offset)
	return binary.LittleEndian.AppendUint64(b, p.Sub)
}

// misplaced says why b is not record number seq.
func misplaced(b []byte, seq uint64) error {
	if len(b) < HeaderBytes {
		return fmt.Errorf("record %d has %d bytes: %w", seq, len(b), ErrDamaged)
	}
	return fmt.Errorf("record number %d where %d was due: %w", binary.LittleEndian.Uint32(b[4:]), uint32(seq), ErrDamaged)
}
