package handoff

import (
	"encoding/binary"

	"github.com/grafnode/grafnode/position"
)

// open is a run of items that goes on without a look at the rest of the Sender: what does not change from one to the next is
// looked at by Open, and what they change is counted by Shut.
type open struct {
	left   int // how many more may be written
	n      int // how many were
	data   []byte
	from   int // where in data the next record begins
	bytes  int // of each record
	stride int // from one to the next
	at     uint64
	last   position.Position
	seq    uint64 // of last
	base   uint64 // see stamp.base
}

// Open prepares for items to be written straight, the first at p, all of p's lane and with records of so many bytes: most at most,
// stride behind one another in data, which is the bound ring from the cursor at on. The check must not cover payloads. It returns false
// where WriteStraight does. Until Shut no other method than Straight may be called.
func (s *Sender) Open(p position.Position, data []byte, at uint64, bytes, stride, most int) bool {
	if s.next != s.window.n || s.check != CheckHeader || (!s.clear || p.Lane != s.lane) && !s.clears(p) {
		return false
	}
	last, _ := s.pushed.At(p.Lane)
	s.open = open{
		left: min(most, runMax), data: data, bytes: bytes, stride: stride, at: at, last: last, seq: s.seq,
		base: s.stamp.base(bytes, kindOf(p.Lane)),
	}
	return true
}

// kindOf is the word of an item's record that says what it is.
func kindOf(lane position.Lane) uint64 {
	return uint64(lane) | (uint64(Item)|uint64(CheckHeader)<<8)<<32
}

// Straight is WriteStraight of an item at p where Open has prepared for it. It returns where the payload belongs, before anybody looks; or nil, and nothing has
// happened, if p is not next, or there is nothing left of what Open was given.
func (s *Sender) Straight(p position.Position) []byte {
	o := &s.open
	if o.left == 0 || p.Lane != o.last.Lane || !o.last.Before(p) || p.Validate() != nil {
		return nil
	}
	o.left--
	o.n++
	o.last = p
	o.seq++
	b := o.data[o.from : o.from+o.bytes]
	o.from += o.stride
	binary.LittleEndian.PutUint64(b, uint64(mixIn(o.base, o.seq, p.Offset, p.Sub))|o.seq<<32)
	binary.LittleEndian.PutUint64(b[8:], kindOf(p.Lane))
	binary.LittleEndian.PutUint64(b[16:], p.Offset)
	binary.LittleEndian.PutUint64(b[24:], p.Sub)
	return b[HeaderBytes:]
}

// Shut ends what Open began, and returns how many items were written and how many bytes each one's record has; false if Open began nothing that has not
// ended.
func (s *Sender) Shut() (n, bytes int, opened bool) {
	o := &s.open
	opened = o.data != nil
	if n, bytes = o.n, o.bytes; n > 0 {
		r := s.run
		if r == nil || r.n+n > runMax || !r.goesOn(o.last.Lane, o.at, bytes) {
			r = s.begin(o.at, bytes)
		}
		r.n += n
		r.Pos, r.end = o.last, o.at+uint64(n*o.stride)
		s.seq = o.seq
		s.count += n
		s.bytes += n * bytes
		s.pushed.Raise(o.last)
	}
	o.left, o.n, o.data = 0, 0, nil
	return n, bytes, opened
}
