package handoff

import (
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/position"
)

var (
	// ErrOrder says that a position was pushed at or below its lane's last. It is a bug of the caller, and terminal.
	ErrOrder = errors.New("handoff: positions must grow within a lane")
	// ErrLanes says that an edge carries more lanes than a note has room for: position.LanesMax, counted over its whole life.
	// Terminal.
	ErrLanes = errors.New("handoff: too many lanes")
	// ErrTrimmed says that the consumer wants to resume below what it had acknowledged, so that items are gone: its store went
	// back in time. Terminal; nothing is skipped silently.
	ErrTrimmed = errors.New("handoff: consumer resumes below what it acknowledged")
)

// Sender is the producer's side. The zero Sender has nothing and is bound to no ring. It is not safe for concurrent use, and
// must not be copied but by Clone.
type Sender struct {
	window  queue[retained] // pushed and not acknowledged, in the order of pushing (rule 8)
	memory  slabs           // of the window's payloads that are not kept in the bound ring
	count   int             // records in the window
	bytes   int             // sum of their sizes
	pushed  position.Table  // last pushed, by lane
	stable  position.Vector // acknowledged
	trimmed position.Table  // last item, not mark, that was forgotten

	gen     fence.Epoch // of the bound ring; zero: none yet
	stamp   stamp       // of gen
	check   Check       // of what is sent
	resumed bool        // the bound ring's resume note has been read (rule 6)
	resume  position.Table
	next    int       // index in window of the first entry not looked at for this ring
	sent    int       // of its items, if it is a run, that were
	item    Entry     // the next one of those
	seq     uint64    // records sent in this ring
	ring    Memory    // this ring's, where items are kept in it
	runs    int       // of the window, that are kept there
	run     *retained // the last one, while it may grow; else nil
	lane    position.Lane
	clear   bool // nothing that is still to come of lane is covered by resume or stable
	ends    ends // to be sent again in this ring
	open    open // items that are written straight and not counted yet

	repeats uint64 // records that were not sent again because the consumer had them; counts, decides nothing
}

// SetCheck says what the checks of records cover from now on. It is CheckAll until then.
func (s *Sender) SetCheck(c Check) { s.check = c }

// Room returns an empty slice with room for n bytes. The payload of the next Push, if appended to it, is kept without a copy.
// It is valid until the next call of any other method.
func (s *Sender) Room(n int) []byte { return s.memory.room(n) }

// Push takes an entry to be sent and kept until its acknowledgement; its payload is copied. Entries that are acknowledged
// already, as a restarted stage regenerates them, are dropped.
func (s *Sender) Push(e Entry) error {
	if err := s.admit(e.Pos); err != nil {
		return err
	}
	s.pushed.Raise(e.Pos)
	if s.stable.Covers(e.Pos) {
		s.repeats++
		s.forget(e.Pos, e.Kind == Item)
		return nil
	}
	if e.Kind == Mark && s.raiseMark(e.Pos) {
		return nil
	}
	e.Payload = s.memory.keep(e.Payload)
	s.window.push(retained{Entry: e})
	s.count++
	s.bytes += e.Size()
	s.run = nil
	return nil
}

// admit refuses what is out of order, and what no record or note could carry.
func (s *Sender) admit(p position.Position) error {
	if err := p.Validate(); err != nil {
		return err
	}
	last, ok := s.pushed.At(p.Lane)
	switch {
	case ok && !last.Before(p):
		return fmt.Errorf("%v after %v: %w", p, last, ErrOrder)
	case !ok && s.pushed.Vector().Max(s.stable).With(p).Len() > position.LanesMax:
		return fmt.Errorf("%v: more than %d: %w", p, position.LanesMax, ErrLanes)
	}
	return nil
}

// raiseMark moves a mark that is not sent yet, and that no item follows, up to p: so marks do not pile up while nobody
// acknowledges.
func (s *Sender) raiseMark(p position.Position) bool {
	for i := s.window.len() - 1; i >= s.next && s.window.at(i).Kind == Mark; i-- {
		if e := s.window.at(i); e.Pos.Lane == p.Lane {
			e.Pos = p
			return true
		}
	}
	return false
}

// Bind moves to the ring of a higher generation. Nothing is sent in it before Resume (rule 6).
func (s *Sender) Bind(gen fence.Epoch) {
	if gen <= s.gen {
		panic(fmt.Sprintf("handoff: sender bound to generation %d after %d", gen, s.gen))
	}
	s.gen, s.stamp, s.resumed, s.resume, s.next, s.sent, s.seq, s.clear = gen, stampOf(gen), false, position.Table{}, 0, 0, 0, false
	s.ends, s.run = ends{}, nil
}

// Resume takes the bound ring's resume note: what the consumer has accepted. Everything retained above it will be sent
// again, and the ends of lanes although they are acknowledged; a lane that the note does not name is resumed from what is stable.
func (s *Sender) Resume(accepted position.Vector) error {
	for _, p := range s.trimmed.Vector().Positions() {
		if at, ok := accepted.At(p.Lane); ok && at.Compare(p) < 0 {
			return fmt.Errorf("resume at %v, but %v is acknowledged and gone: %w", at, p, ErrTrimmed)
		}
	}
	s.resumed, s.resume, s.next, s.sent, s.clear, s.run = true, position.TableOf(accepted), 0, 0, false, nil
	for _, p := range s.stable.Positions() { // some of which may be retained still, behind another lane's
		if _, named := accepted.At(p.Lane); !named {
			s.resume.Raise(p)
		}
	}
	s.ends = endsOf(s.stable, accepted)
	if planted.ShortReplay {
		s.next = s.window.len()
	}
	return nil
}

// Next returns the entry to send next in the bound ring and its number there, and nil while there is none. The caller writes it
// there, and then says Sent. It must not change the entry, which is valid until the next call of another method.
func (s *Sender) Next() (e *Entry, seq uint64) {
	if !s.resumed {
		return nil, 0
	}
	if s.ends.left() {
		return s.ends.next(), s.seq + 1
	}
	for ; s.next < s.window.len(); s.next, s.sent = s.next+1, 0 {
		e := s.window.at(s.next)
		if e.n > 0 {
			if item := s.nextOf(e); item != nil {
				return item, s.seq + 1
			}
			continue
		}
		if !s.resume.Covers(e.Pos) {
			return &e.Entry, s.seq + 1
		}
		s.repeats++
	}
	return nil, 0
}

// Write writes what Next returned into b, which must have its size.
func (s *Sender) Write(b []byte, e *Entry, seq uint64) { e.put(b, &s.stamp, seq, s.check) }

// Sent says that the entry of the last Next is in the ring.
func (s *Sender) Sent() {
	s.seq++
	if s.ends.sent() {
		return
	}
	if s.sent++; s.sent >= s.window.at(s.next).n {
		s.next, s.sent = s.next+1, 0
	}
}

// Unsent returns how many entries have not been looked at for the bound ring.
func (s *Sender) Unsent() int { return len(s.ends.of) + s.window.len() - s.next }

// Ack takes a stable note: everything up to it has had its effect and is forgotten (rule 9).
func (s *Sender) Ack(stable position.Vector) {
	s.stable = s.stable.Max(stable)
	s.run = nil
	var upto, last position.Position // of the lane that the entries are of; they come in runs
	n, known, item := 0, false, false
	for ; n < s.window.n; n++ {
		e := s.window.at(n)
		if !known || e.Pos.Lane != upto.Lane {
			s.forget(last, item)
			item = false
			if upto, known = s.stable.At(e.Pos.Lane); !known {
				break
			}
		}
		if upto.Before(e.Pos) {
			if cut, ok := s.cut(e, upto); ok {
				last, item = cut, true
			}
			break
		}
		if e.Kind == Item {
			last, item = e.Pos, true
		}
		s.release(e)
	}
	s.forget(last, item)
	s.window.drop(n)
	if s.next -= n; s.next < 0 {
		s.next, s.sent = 0, 0
	}
}

// release gives up an entry's memory.
func (s *Sender) release(e *retained) {
	s.count -= e.records()
	s.bytes -= e.size()
	if e.inRing() {
		s.runs--
		return
	}
	s.memory.drop(e.Payload)
	e.Payload = nil
}

// forget notes the last item, if it is one, that was forgotten of its lane.
func (s *Sender) forget(p position.Position, item bool) {
	if item {
		s.trimmed.Raise(p)
	}
}

// Generation returns the bound ring's generation.
func (s *Sender) Generation() fence.Epoch { return s.gen }

// Stable returns what is acknowledged.
func (s *Sender) Stable() position.Vector { return s.stable }

// Pushed returns the last pushed position of each lane.
func (s *Sender) Pushed() position.Vector { return s.pushed.Vector() }

// Covers reports whether something at or above p was pushed in its lane.
func (s *Sender) Covers(p position.Position) bool { return s.pushed.Covers(p) }

// Repeats returns how many records were spared, over all rings, because the consumer had them already.
func (s *Sender) Repeats() uint64 { return s.repeats }

// Retained returns how many entries are kept, and their size in bytes.
func (s *Sender) Retained() (entries, bytes int) { return s.count, s.bytes }

// Newest returns the position of the newest entry that is kept, and false if none is.
func (s *Sender) Newest() (p position.Position, ok bool) {
	if s.window.n == 0 {
		return p, false
	}
	return s.window.at(s.window.n - 1).Pos, true
}

// Clone returns an independent copy. What is kept in a ring stays there for both.
func (s *Sender) Clone() *Sender {
	c := *s
	c.window, c.run = s.window.clone(), nil
	c.settle()
	c.pushed, c.trimmed, c.resume = s.pushed.Clone(), s.trimmed.Clone(), s.resume.Clone()
	return &c
}

// settle moves the payloads of the window into fresh memory, in their order: they are let go of in that.
func (s *Sender) settle() {
	s.memory = slabs{}
	for i := range s.window.len() {
		e := s.window.at(i)
		e.Payload = s.memory.keep(e.Payload)
	}
}

// AppendKey appends an encoding of the whole state but payloads: equal states give equal bytes. It is for explorers, which
// must recognise a state that they have seen.
func (s *Sender) AppendKey(b []byte) []byte {
	b = appendNumbers(b, uint64(s.gen), flag(s.resumed), uint64(s.next), uint64(s.sent), s.seq, uint64(s.window.len()), uint64(len(s.ends.of)))
	for i := range s.window.len() {
		e := s.window.at(i)
		b = append(e.Pos.Append(appendNumbers(b, uint64(e.n))), byte(e.Kind))
	}
	for _, t := range []*position.Table{&s.pushed, &s.trimmed, &s.resume} {
		b = t.Append(append(b, byte(t.Len())))
	}
	return s.stable.Append(append(b, byte(s.stable.Len())))
}
