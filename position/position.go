package position

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
)

// Lane numbers a source's independent sequence: a file, a partition, a branch of a fan-out.
type Lane uint32

// Limits of a position. Both numbers fit a signed 64-bit column of a database.
const (
	// OffsetMax is the highest source offset; EndOfLane uses it.
	OffsetMax = 1<<63 - 1
	// ChildrenMax is how many outputs one flat-map may make of one input.
	ChildrenMax = 1<<digitBits - 2
	// DepthMax is how many flat-maps may follow one another in a pipeline.
	DepthMax = 3

	digitBits = 21
	digitEnd  = 1<<digitBits - 1
	subEnd    = 1<<(digitBits*DepthMax) - 1

	// EncodedBytes is the size of one encoded position.
	EncodedBytes = 20
)

// ErrSubOverflow says that an item has too many children, or children nested too deeply, to be numbered. It is terminal:
// the same input will fail again.
var ErrSubOverflow = errors.New("position: too many outputs of one input")

// ErrBadPosition says that encoded bytes are not a position.
var ErrBadPosition = errors.New("position: malformed")

// Position identifies one item of an edge, or marks that everything up to a point is out.
//
// Sub is the path of child numbers through nested flat-maps, 21 bits a level, most significant first; a zero digit ends
// the path and a digit of all ones means "everything below here". So comparing (Offset, Sub) as numbers orders a
// parent before its children, siblings by their number, and an end mark after all that it ends.
type Position struct {
	Lane   Lane   `json:"lane"`
	Offset uint64 `json:"offset"`
	Sub    uint64 `json:"sub"`
}

// EndOfLane is the position of the source's end: nothing comes after it in its lane, ever.
func EndOfLane(lane Lane) Position { return Position{Lane: lane, Offset: OffsetMax, Sub: subEnd} }

// IsEndOfLane reports whether p is EndOfLane of its lane.
func (p Position) IsEndOfLane() bool { return p == EndOfLane(p.Lane) }

// Compare orders two positions of one lane: -1, 0 or +1. Comparing positions of different lanes is a broken invariant
// and panics.
func (p Position) Compare(q Position) int {
	if p.Lane != q.Lane {
		panic(fmt.Sprintf("position: compared across lanes %d and %d", p.Lane, q.Lane))
	}
	if c := cmp.Compare(p.Offset, q.Offset); c != 0 {
		return c
	}
	return cmp.Compare(p.Sub, q.Sub)
}

// Before reports whether p comes before q, a position of the same lane, which is not looked at.
func (p Position) Before(q Position) bool {
	return p.Offset < q.Offset || p.Offset == q.Offset && p.Sub < q.Sub
}

// Child returns the position of the k-th output (from 0) that a flat-map makes of the item at p.
func (p Position) Child(k int) (Position, error) {
	shift, ok := freeDigit(p.Sub)
	if !ok || k < 0 || k >= ChildrenMax {
		return Position{}, fmt.Errorf("child %d of %v: %w", k, p, ErrSubOverflow)
	}
	p.Sub |= uint64(k+1) << shift
	return p, nil
}

// End returns the mark "the item at p and everything made of it is out". The end of a mark is the mark itself.
func (p Position) End() Position {
	if shift, ok := freeDigit(p.Sub); ok {
		p.Sub |= 1<<(shift+digitBits) - 1
	}
	return p
}

// freeDigit returns the shift of the first unused digit of a path.
func freeDigit(sub uint64) (shift int, ok bool) {
	for shift = digitBits * (DepthMax - 1); shift >= 0; shift -= digitBits {
		if sub>>shift&digitEnd == 0 {
			return shift, true
		}
	}
	return 0, false
}

// Validate reports whether p is within the limits above.
func (p Position) Validate() error {
	if p.Offset > OffsetMax || p.Sub > subEnd {
		return p.invalid()
	}
	return nil
}

func (p Position) invalid() error {
	return fmt.Errorf("offset %d, sub %d: %w", p.Offset, p.Sub, ErrBadPosition)
}

// String returns "lane:offset" with ".child" for each level, and "+" where everything below is meant.
func (p Position) String() string {
	if p.IsEndOfLane() {
		return fmt.Sprintf("%d:end", p.Lane)
	}
	s := fmt.Sprintf("%d:%d", p.Lane, p.Offset)
	for shift := digitBits * (DepthMax - 1); shift >= 0; shift -= digitBits {
		switch d := p.Sub >> shift & digitEnd; d {
		case 0:
			return s
		case digitEnd:
			return s + "+"
		default:
			s += fmt.Sprintf(".%d", d-1)
		}
	}
	return s
}

// Append appends p in its fixed encoding: lane (4 bytes), offset (8), sub (8), little-endian.
func (p Position) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(p.Lane))
	b = binary.LittleEndian.AppendUint64(b, p.Offset)
	return binary.LittleEndian.AppendUint64(b, p.Sub)
}

// Decode reads the position at the start of b.
func Decode(b []byte) (Position, error) {
	if len(b) < EncodedBytes {
		return Position{}, fmt.Errorf("%d bytes, want %d: %w", len(b), EncodedBytes, ErrBadPosition)
	}
	p := Position{
		Lane:   Lane(binary.LittleEndian.Uint32(b)),
		Offset: binary.LittleEndian.Uint64(b[4:]),
		Sub:    binary.LittleEndian.Uint64(b[12:]),
	}
	return p, p.Validate()
}
