package handoff

import (
	"encoding/binary"
	"fmt"

	"github.com/grafnode/grafnode/position"
)

// An item that is next need not be kept in memory of the Sender's own and sent from there. It can be written straight into the bound ring and
// kept where it lies (rule 8), if that is memory of this host that stays as it was written:
//
//	WriteStraight  takes it, once its payload is in the ring;
//	Unbind         before that memory goes, moves what is kept there, having verified it.

// retained is an entry of the window. If it is kept in the bound ring, its payload is the whole record there, which begins at
// the ring's cursor at.
type retained struct {
	Entry
	at   uint64
	kept bool
}

func (r *retained) size() int {
	if r.kept {
		return len(r.Payload)
	}
	return r.Size()
}

// clears reports whether p, and so all above it, is neither covered by what the consumer has nor the first of its lane.
func (s *Sender) clears(p position.Position) bool {
	_, known := s.pushed.At(p.Lane)
	if !s.resumed || !known || s.resume.Covers(p) || s.stable.Covers(p) {
		return false
	}
	s.lane, s.clear = p.Lane, true
	return true
}

// WriteStraight pushes the item at p and completes its record b, which begins at the ring's cursor at: its payload is in it
// already, behind HeaderBytes. b must stay as it is until the item is acknowledged or Unbind is called. It returns false, and nothing has
// happened, for an item that has to go through Push: because others are to be sent before it, because the consumer may have it already,
// or because its position is to be refused.
func (s *Sender) WriteStraight(b []byte, at uint64, p position.Position) bool {
	if s.next != s.window.n || (!s.clear || p.Lane != s.lane) && !s.clears(p) || p.Validate() != nil || !s.pushed.Advance(p) {
		return false
	}
	s.seq++
	s.next++
	s.kept++
	s.bytes += len(b)
	r := s.window.add()
	r.Pos, r.Kind, r.Payload, r.at, r.kept = p, Item, b, at, true
	seal(b, p, Item, &s.stamp, s.seq, s.check)
	return true
}

// Kept returns where the oldest record begins that is kept in the bound ring, and false if none is.
func (s *Sender) Kept() (at uint64, ok bool) {
	for i := 0; s.kept > 0 && i < s.window.len(); i++ {
		if e := s.window.at(i); e.kept {
			return e.at, true
		}
	}
	return 0, false
}

// Unbind moves what is kept in the bound ring into memory of the Sender's own. ErrDamaged means that something there is not what was
// written: then it is lost, and has to be regenerated.
func (s *Sender) Unbind() error {
	if s.kept == 0 {
		return nil
	}
	for i := 0; s.kept > 0 && i < s.window.len(); i++ {
		e := s.window.at(i)
		if !e.kept {
			continue
		}
		var was Entry
		number := s.seq - uint64(uint32(s.seq)-binary.LittleEndian.Uint32(e.Payload[4:]))
		if err := was.decode(e.Payload, &s.stamp, number); err != nil {
			return fmt.Errorf("retained item %v: %w", e.Pos, err)
		}
		if was.Pos != e.Pos {
			return fmt.Errorf("retained item %v is %v: %w", e.Pos, was.Pos, ErrDamaged)
		}
		e.Payload, e.kept = was.Payload, false
		s.kept--
	}
	s.settle()
	return nil
}
