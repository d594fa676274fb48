package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

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
	Payload []byte // items only; belongs to the Sender once pushed
}

// ErrDamaged says that a record failed its check, or that one is missing before it. The consumer binds another ring; it
// never skips (rule 7).
var ErrDamaged = errors.New("handoff: record damaged or missing")

// A record in a ring, little-endian:
//
//	offset  size  field
//	0       4     CRC32C over generation (8), number (8), then the record from offset 4 to its end
//	4       4     low half of the record's dense number in this ring, from 1
//	8       4     lane
//	12      1     kind
//	13      3     zero
//	16      8     offset
//	24      8     sub
//	32      ...   payload
//
// The generation and the full number are in the check, not in the record: a record of another generation, or one that is
// not the next, fails it.
const HeaderBytes = 32

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Size returns the bytes that e takes in a ring.
func (e Entry) Size() int { return HeaderBytes + len(e.Payload) }

// Put writes e as record number seq of generation gen into b, which must have e.Size() bytes.
func (e Entry) Put(b []byte, gen fence.Epoch, seq uint64) {
	_ = b[:HeaderBytes+len(e.Payload)]
	binary.LittleEndian.PutUint32(b[4:], uint32(seq))
	binary.LittleEndian.PutUint32(b[8:], uint32(e.Pos.Lane))
	binary.LittleEndian.PutUint32(b[12:], uint32(e.Kind))
	binary.LittleEndian.PutUint64(b[16:], e.Pos.Offset)
	binary.LittleEndian.PutUint64(b[24:], e.Pos.Sub)
	copy(b[HeaderBytes:], e.Payload)
	binary.LittleEndian.PutUint32(b, checksum(b[4:], gen, seq))
}

// decode reads and verifies a record. Its payload aliases b.
func decode(b []byte, gen fence.Epoch, seq uint64) (Entry, error) {
	if len(b) < HeaderBytes {
		return Entry{}, fmt.Errorf("record %d of generation %d has %d bytes: %w", seq, gen, len(b), ErrDamaged)
	}
	if got := binary.LittleEndian.Uint32(b[4:]); got != uint32(seq) {
		return Entry{}, fmt.Errorf("record number %d where %d was due in generation %d: %w", got, uint32(seq), gen, ErrDamaged)
	}
	if sum, want := checksum(b[4:], gen, seq), binary.LittleEndian.Uint32(b); sum != want {
		return Entry{}, fmt.Errorf("record %d of generation %d: check %08x, computed %08x: %w", seq, gen, want, sum, ErrDamaged)
	}
	e := Entry{
		Pos: position.Position{
			Lane:   position.Lane(binary.LittleEndian.Uint32(b[8:])),
			Offset: binary.LittleEndian.Uint64(b[16:]),
			Sub:    binary.LittleEndian.Uint64(b[24:]),
		},
		Kind:    Kind(b[12]),
		Payload: b[HeaderBytes:],
	}
	if k := binary.LittleEndian.Uint32(b[12:]); k < uint32(Item) || k > uint32(End) {
		return Entry{}, fmt.Errorf("record %d of generation %d has kind %#x: %w", seq, gen, k, ErrDamaged)
	}
	if err := e.Pos.Validate(); err != nil {
		return Entry{}, fmt.Errorf("record %d of generation %d: %w: %w", seq, gen, err, ErrDamaged)
	}
	return e, nil
}

func checksum(b []byte, gen fence.Epoch, seq uint64) uint32 {
	var head [16]byte
	binary.LittleEndian.PutUint64(head[:], uint64(gen))
	binary.LittleEndian.PutUint64(head[8:], seq)
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, b)
}
