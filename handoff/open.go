package handoff

import (
	"encoding/binary"

	"github.com/grafnode/grafnode/position"
)

// open is a record of several items while it is written: what does not change from one item to the next is looked at by Open, and what they
// change is counted by Shut, which writes all of the record but payloads.
type open struct {
	left  int               // how many more items may be written
	n     int               // how many were
	next  position.Position // behind the last one, if its offset follows; at first that of the first
	data  []byte            // the record
	from  int               // where in data the next payload begins
	bytes int               // of each
	at    uint64            // the record's cursor
	first position.Position
	leaps int // in leap
	leap  [ItemsMax]leap
}

// leap is an item whose position is not behind the one before it, and how many there are before it.
type leap struct {
	n  int
	to position.Position
}

// OpenBytes is what Open needs for n items of so many bytes.
func OpenBytes(n, bytes int) int { return HeaderBytes + n*bytes + (n-1)*leapBytes }

// OpenMost is how many items of so many bytes Open can prepare for in a record of at most size bytes.
func OpenMost(size, bytes int) int {
	return min(max(size-HeaderBytes+leapBytes, 0)/(bytes+leapBytes), ItemsMax)
}

// Open prepares for items to be written straight into one record, the first at p, all of p's lane and of so many bytes: as many as OpenMost says for
// data, which lies in the bound ring at the cursor at. It returns false where WriteStraight does. Until Shut no other method than Straight may
// be called.
func (s *Sender) Open(p position.Position, data []byte, at uint64, bytes int) bool {
	if s.next != s.window.n || (!s.clear || p.Lane != s.lane) && !s.clears(p) || p.Validate() != nil || s.pushed.Covers(p) {
		return false
	}
	o := &s.open
	o.data, o.at, o.from, o.bytes, o.n, o.leaps = data, at, HeaderBytes, bytes, 0, 0
	o.first, o.left = p, OpenMost(len(data), bytes)
	o.goTo(p)
	return true
}

// goTo makes p next.
func (o *open) goTo(p position.Position) {
	o.next = p
	if most := position.OffsetMax - p.Offset; most < ItemsMax {
		o.left = min(o.left, int(most)+1)
	}
}

// Straight pushes the item at p where Open has prepared for it. It returns where the payload belongs, which is to be there before the next call; or nil, and
// nothing has happened, if p cannot be next, or there is nothing left of what Open was given.
func (s *Sender) Straight(p position.Position) []byte {
	o := &s.open
	if o.left == 0 || p != o.next && !o.leapTo(p) {
		return nil
	}
	o.left--
	o.n++
	o.next.Offset++
	from := o.from
	o.from += o.bytes
	return o.data[from:o.from]
}

// leapTo makes p next, if it can be.
func (o *open) leapTo(p position.Position) bool {
	last := o.next
	last.Offset--
	if o.n == 0 || p.Lane != last.Lane || !last.Before(p) || p.Validate() != nil {
		return false
	}
	o.leap[o.leaps] = leap{o.n, p}
	o.leaps++
	o.goTo(p)
	return true
}

// last is the position of the last item.
func (o *open) last() position.Position {
	p := o.next
	p.Offset--
	return p
}

// Shut completes the record that Open began, and returns how many items are in it, how long each is, and how long the record: with no item there is none. False
// if Open began nothing that has not ended.
func (s *Sender) Shut() (n, bytes, record int, opened bool) {
	o := &s.open
	if o.data == nil {
		return 0, 0, 0, false
	}
	if o.n > 0 {
		record = s.complete()
	}
	o.left, o.data = 0, nil
	return o.n, o.bytes, record, true
}

// complete writes what the record lacks, and has the window keep it.
func (s *Sender) complete() (record int) {
	o := &s.open
	end := o.from
	for _, l := range o.leap[:o.leaps] {
		binary.LittleEndian.PutUint64(o.data[end:], uint64(l.n))
		binary.LittleEndian.PutUint64(o.data[end+8:], l.to.Offset)
		binary.LittleEndian.PutUint64(o.data[end+16:], l.to.Sub)
		end += leapBytes
	}
	s.seq++
	what := word(o.first.Lane, Item, s.check) | uint64(o.n-1)<<48 | uint64(o.leaps)<<56
	s.stamp.seal(o.data[:end], o.first, what, s.seq)
	r := s.begin(o.at, HeaderBytes+o.bytes)
	r.Pos, r.n, r.record, r.seq = o.last(), o.n, end, s.seq
	s.run = nil // nothing joins it
	s.count += o.n
	s.bytes += o.n * r.bytes
	s.pushed.Raise(r.Pos)
	return end
}
