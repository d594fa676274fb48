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
//	14      2     zero
//	16      8     offset
//	24      8     sub
//	32      ...   payload
//
// The generation and the full number are in the check, not in the record: a record of another generation, or one that is
// not the next, fails it.
const HeaderBytes = 32

// Size returns the bytes that e takes in a ring.
func (e Entry) Size() int { return HeaderBytes + len(e.Payload) }

// Put writes e as record number seq of generation gen into b, which must have e.Size() bytes, with a check of all of it.
func (e *Entry) Put(b []byte, gen fence.Epoch, seq uint64) {
	s := stampOf(gen)
	e.put(b, &s, seq, CheckAll)
}

func (e *Entry) put(b []byte, s *stamp, seq uint64, check Check) {
	copy(b[HeaderBytes:HeaderBytes+len(e.Payload)], e.Payload)
	seal(b, e.Pos, e.Kind, s, seq, check)
}

// seal writes the header of a record whose payload is there.
func seal(b []byte, p position.Position, kind Kind, s *stamp, seq uint64, check Check) {
	_ = b[:HeaderBytes]
	what := uint64(p.Lane) | (uint64(kind)|uint64(check)<<8)<<32
	binary.LittleEndian.PutUint64(b[8:], what)
	binary.LittleEndian.PutUint64(b[16:], p.Offset)
	binary.LittleEndian.PutUint64(b[24:], p.Sub)
	if check == CheckHeader { // without reading what was just written
		binary.LittleEndian.PutUint64(b, uint64(s.mix(len(b), seq, what, p.Offset, p.Sub))|seq<<32)
		return
	}
	binary.LittleEndian.PutUint32(b[4:], uint32(seq))
	binary.LittleEndian.PutUint32(b, s.sum(b, seq, check))
}

// decode reads and verifies record number seq of the generation that s is of. Its payload aliases b.
func (e *Entry) decode(b []byte, s *stamp, seq uint64) error {
	if len(b) < HeaderBytes || binary.LittleEndian.Uint32(b[4:]) != uint32(seq) {
		return misplaced(b, seq)
	}
	what, offset, sub := binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	kind, check := Kind(what>>32), Check(what>>40)
	if what>>48 != 0 || kind < Item || kind > End || check > CheckHeader {
		return fmt.Errorf("record %d has kind %#x: %w", seq, what>>32, ErrDamaged)
	}
	want := binary.LittleEndian.Uint32(b)
	if check == CheckHeader && s.mix(len(b), seq, what, offset, sub) != want || check == CheckAll && s.sum(b, seq, check) != want {
		return fmt.Errorf("record %d: check %08x, computed %08x: %w", seq, want, s.sum(b, seq, check), ErrDamaged)
	}
	e.Pos = position.Position{Lane: position.Lane(what), Offset: offset, Sub: sub}
	e.Kind, e.Payload = kind, b[HeaderBytes:]
	if err := e.Pos.Validate(); err != nil {
		return fmt.Errorf("record %d: %w: %w", seq, err, ErrDamaged)
	}
	return nil
}

// misplaced says why b is not record number seq.
func misplaced(b []byte, seq uint64) error {
	if len(b) < HeaderBytes {
		return fmt.Errorf("record %d has %d bytes: %w", seq, len(b), ErrDamaged)
	}
	return fmt.Errorf("record number %d where %d was due: %w", binary.LittleEndian.Uint32(b[4:]), uint32(seq), ErrDamaged)
}
