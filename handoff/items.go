package handoff

import (
	"encoding/binary"
	"fmt"

	"github.com/grafnode/grafnode/position"
)

// Items is a record of several items of one lane and length, which share a header: what it costs to write, check, keep and acknowledge a record
// is paid once for all. Their offsets follow one another, with the same sub; where they do not, the record has a leap: 24 bytes, of
// which the first eight are how many items come before it, and then offset and sub of the one that it leads to.
type Items struct {
	Payloads []byte // one behind the other
	N, Bytes int    // how many, and how long each is: one byte at least
	first    position.Position
	leaps    []byte
}

// ItemsMax is how many items share a record at most.
const ItemsMax = 64

const leapBytes = 24

// ItemsIn returns how many items a record says that it has: of a mark it is one.
func ItemsIn(b []byte) int {
	if len(b) < HeaderBytes {
		return 1
	}
	return int(b[atItems]) + 1
}

// CheckIn returns what a record, of HeaderBytes at least, says that its check covers.
func CheckIn(b []byte) Check { return Check(b[atCheck]) }

// LeapsIn returns how many leaps a record, of HeaderBytes at least, says that it has.
func LeapsIn(b []byte) int { return int(b[atLeaps]) }

// decode reads and verifies record number seq of the generation that s is of. The payloads alias b.
func (i *Items) decode(b []byte, s *stamp, seq uint64) error {
	what, err := s.verify(b, seq)
	if err != nil {
		return err
	}
	if !i.parse(b, what) {
		return fmt.Errorf("record %d, of %d bytes, has items %#x: %w", seq, len(b), what>>48, ErrDamaged)
	}
	return nil
}

// parse takes a record apart, and returns false if it cannot be one of items.
func (i *Items) parse(b []byte, what uint64) bool {
	n, leaps := int(what>>48&0xff)+1, int(what>>56)
	size := len(b) - HeaderBytes - leaps*leapBytes
	if Kind(what>>32) != Item || n > ItemsMax || leaps >= n || size < 0 || n > 1 && size < n || size%n != 0 {
		return false
	}
	*i = Items{Payloads: b[HeaderBytes : HeaderBytes+size], N: n, Bytes: size / n, first: positionIn(b), leaps: b[HeaderBytes+size:]}
	return true
}

// Unpack takes a record apart that nobody verifies, and puts the items' positions into at. It returns false if it cannot be one of items.
func (i *Items) Unpack(b []byte, at *[ItemsMax]position.Position) bool {
	return len(b) >= HeaderBytes && i.parse(b, binary.LittleEndian.Uint64(b[8:])) && i.positions(at)
}

// positions puts the items' positions into at, and reports whether they are valid and grow.
func (i *Items) positions(at *[ItemsMax]position.Position) bool {
	p, leaps := i.first, i.leaps
	for k := range at[:i.N] {
		if len(leaps) > 0 && binary.LittleEndian.Uint64(leaps) == uint64(k) {
			to := position.Position{Lane: p.Lane, Offset: binary.LittleEndian.Uint64(leaps[8:]), Sub: binary.LittleEndian.Uint64(leaps[16:])}
			if k == 0 || !at[k-1].Before(to) {
				return false
			}
			p, leaps = to, leaps[leapBytes:]
		}
		if p.Validate() != nil {
			return false
		}
		at[k] = p
		p.Offset++
	}
	return len(leaps) == 0
}
