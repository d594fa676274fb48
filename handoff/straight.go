package handoff

import (
	"fmt"

	"github.com/grafnode/grafnode/position"
)

// An item that is next need not be kept in memory of the Sender's own and sent from there. It can be written straight into the bound ring and
// kept where it lies (rule 8), if that is memory of this host that stays as it was written:
//
//	KeepIn         says where the bound ring's memory is;
//	WriteStraight  takes an item, once its payload is in the ring;
//	Unbind         before that memory goes, moves what is kept there, having verified it.
//
// The records in the ring are all that is remembered of such items, but for where each run of them begins and ends, and how long they are. When they are
// moved they stay a run, of records in memory of the Sender's own: an edge that has lost its ring waits for that. Open, Straight and Shut are the
// same for many items at once, which share a record.

// Memory is a ring in which items are kept.
type Memory interface {
	// Record returns the record of so many bytes at a cursor of the ring, and the cursor of the next one in a run; nil if there can be none.
	Record(at uint64, bytes int) (record []byte, next uint64)
}

// retained is an entry of the window, or a run of items of one lane and length that are kept in the bound ring: each in a record of its own, one
// behind the other, or all in one. Of a run that was moved, Payload is the records.
type retained struct {
	Entry         // of a run Pos is that of its last item, and there is no payload while it is in the ring
	n      int    // items in the run; zero is an entry
	bytes  int    // what each one's record has, or would have
	record int    // how long the record is that they share; zero: each has its own
	at     uint64 // the ring's cursor where the first record begins
	end    uint64 // and where one more would, behind the last; of records of one item
	seq    uint64 // the first record's number
}

// runMax is how many items a run has at most. Only of the first run is ever a part acknowledged, which takes looking at its records.
const runMax = 64

func (r *retained) size() int {
	if r.n > 0 {
		return r.n * r.bytes
	}
	return r.Size()
}

func (r *retained) records() int { return max(r.n, 1) }

// inRing reports whether it is a run that is kept in the bound ring.
func (r *retained) inRing() bool { return r.n > 0 && r.Payload == nil }

// moved returns the record of the i-th item of a run that was moved.
func (r *retained) moved(i int) []byte { return r.Payload[i*r.bytes : (i+1)*r.bytes] }

// KeepIn says where the records lie that are to be kept in the bound ring.
func (s *Sender) KeepIn(m Memory) { s.ring = m }

// clears reports whether p, and so all above it, is neither covered by what the consumer has nor the first of its lane.
func (s *Sender) clears(p position.Position) bool {
	_, known := s.pushed.At(p.Lane)
	if !s.resumed || s.ends.left() || !known || s.resume.Covers(p) || s.stable.Covers(p) {
		return false
	}
	s.lane, s.clear = p.Lane, true
	return true
}

// WriteStraight pushes the item at p and completes its record b, which lies in the ring at the cursor at, and the next one, if it has its length, maybe at end: its payload is in it
// already, behind HeaderBytes, or, where the check does not cover it, will be before anybody looks. b must stay as it is until the item is acknowledged or Unbind is called. It returns false, and nothing has
// happened, for an item that has to go through Push: because others are to be sent before it, because the consumer may have it already,
// or because its position is to be refused.
func (s *Sender) WriteStraight(b []byte, at, end uint64, p position.Position) bool {
	if s.next != s.window.n || (!s.clear || p.Lane != s.lane) && !s.clears(p) || p.Validate() != nil || !s.pushed.Advance(p) {
		return false
	}
	r := s.run
	if r == nil || r.n == runMax || !r.goesOn(p.Lane, at, len(b)) {
		r = s.begin(at, len(b))
	}
	s.seq++
	s.count++
	s.bytes += len(b)
	r.n++
	r.Pos, r.end = p, end
	s.stamp.seal(b, p, word(p.Lane, Item, s.check), s.seq)
	return true
}

// goesOn reports whether records of so many bytes from the cursor at on, with items of a lane, can join the run.
func (r *retained) goesOn(lane position.Lane, at uint64, bytes int) bool {
	return r.Pos.Lane == lane && r.end == at && r.bytes == bytes
}

// begin adds a run to the window.
func (s *Sender) begin(at uint64, bytes int) *retained {
	r := s.window.add()
	*r = retained{Entry: Entry{Kind: Item}, bytes: bytes, at: at, seq: s.seq + 1}
	s.run = r
	s.runs++
	s.next++
	return r
}

// cut gives up the items at the beginning of a run that upto covers, and returns the last of them. There are more in the run.
func (s *Sender) cut(r *retained, upto position.Position) (last position.Position, ok bool) {
	switch {
	case r.n > 0 && !r.inRing():
		return s.cutMoved(r, upto)
	case r.record > 0:
		return s.cutShared(r, upto)
	}
	for r.n > 1 {
		b, next := s.ring.Record(r.at, r.bytes)
		if len(b) < HeaderBytes {
			break // which Unbind finds as well
		}
		p := positionIn(b)
		if upto.Before(p) {
			break
		}
		last, ok = p, true
		r.at = next
		r.n, r.seq = r.n-1, r.seq+1
		s.count, s.bytes = s.count-1, s.bytes-len(b)
	}
	return last, ok
}

// cutShared is cut for a run whose items share a record. That stays as long as it has one that is kept.
func (s *Sender) cutShared(r *retained, upto position.Position) (last position.Position, ok bool) {
	var items Items
	var at [ItemsMax]position.Position
	if b, _ := s.ring.Record(r.at, r.record); !items.Unpack(b, &at) || items.N < r.n {
		return last, false // which Unbind finds as well
	}
	for r.n > 1 && !upto.Before(at[items.N-r.n]) {
		last, ok = at[items.N-r.n], true
		r.n--
		s.count, s.bytes = s.count-1, s.bytes-r.bytes
	}
	return last, ok
}

// cutMoved is cut for a run that was moved. The rest stays where it lies.
func (s *Sender) cutMoved(r *retained, upto position.Position) (last position.Position, ok bool) {
	for r.n > 1 {
		p := positionIn(r.moved(0))
		if upto.Before(p) {
			break
		}
		last, ok = p, true
		r.Payload = r.Payload[r.bytes:]
		r.n--
		s.count, s.bytes = s.count-1, s.bytes-r.bytes
		if r == s.window.at(s.next) { // it is being sent
			s.sent = max(0, s.sent-1)
		}
	}
	return last, ok
}

// nextOf returns the next item of a run that was moved that the consumer does not have, nil if it has the rest.
func (s *Sender) nextOf(r *retained) *Entry {
	for ; s.sent < r.n; s.sent++ {
		b := r.moved(s.sent)
		if p := positionIn(b); !s.resume.Covers(p) {
			s.item = Entry{Pos: p, Kind: Item, Payload: b[HeaderBytes:]}
			return &s.item
		}
		s.repeats++
	}
	return nil
}

// Kept returns where the oldest record begins that is kept in the bound ring, and false if none is.
func (s *Sender) Kept() (at uint64, ok bool) {
	for i := 0; s.runs > 0 && i < s.window.len(); i++ {
		if e := s.window.at(i); e.inRing() {
			return e.at, true
		}
	}
	return 0, false
}

// Unbind moves what is kept in the bound ring into memory of the Sender's own, run by run. ErrDamaged means that something there is not what was
// written: then it is lost, and has to be regenerated.
func (s *Sender) Unbind() error {
	s.run = nil
	if s.runs == 0 {
		return nil
	}
	var window queue[retained]
	var memory slabs
	window.reserve(s.window.len())
	for i := range s.window.len() {
		e := *s.window.at(i)
		if e.inRing() {
			b, err := s.read(&e, memory.room(e.size()))
			if err != nil {
				return err
			}
			e.Payload, e.record = b, 0
		}
		e.Payload = memory.keep(e.Payload) // in the order in which they are let go of
		window.push(e)
	}
	s.window, s.memory, s.runs = window, memory, 0
	return nil
}

// read appends the records of a run to b, one behind the other, having verified them. Of those only position and payload are of use then.
func (s *Sender) read(r *retained, b []byte) ([]byte, error) {
	if r.record > 0 {
		return s.readShared(r, b)
	}
	var e Entry
	at, last := r.at, r.Pos
	for i := range r.n {
		record, next := s.ring.Record(at, r.bytes)
		if err := e.decode(record, &s.stamp, r.seq+uint64(i)); err != nil {
			return nil, fmt.Errorf("retained item %d of %d up to %v: %w", i+1, r.n, r.Pos, err)
		}
		if e.Pos.Lane != r.Pos.Lane || i > 0 && !last.Before(e.Pos) {
			return nil, fmt.Errorf("retained item %v after %v: %w", e.Pos, last, ErrDamaged)
		}
		b = append(b, record...)
		at, last = next, e.Pos
	}
	if last != r.Pos {
		return nil, fmt.Errorf("retained item %v is %v: %w", r.Pos, last, ErrDamaged)
	}
	return b, nil
}

// readShared is read for a run whose items share a record: they get one each.
func (s *Sender) readShared(r *retained, b []byte) ([]byte, error) {
	var items Items
	var at [ItemsMax]position.Position
	record, _ := s.ring.Record(r.at, r.record)
	if err := items.decode(record, &s.stamp, r.seq); err != nil {
		return nil, fmt.Errorf("%d retained items up to %v: %w", r.n, r.Pos, err)
	}
	if !items.positions(&at) || items.N < r.n || at[items.N-1] != r.Pos {
		return nil, fmt.Errorf("%d retained items up to %v: %w", r.n, r.Pos, ErrDamaged)
	}
	for k := items.N - r.n; k < items.N; k++ {
		b = appendPosition(b, at[k])
		b = append(b, items.Payloads[k*items.Bytes:(k+1)*items.Bytes]...)
	}
	return b, nil
}
