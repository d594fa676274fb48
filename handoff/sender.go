package handoff

import (
	"errors"
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/fence"
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

// Sender is the producer's side. The zero Sender has nothing and is bound to no ring. It is not safe for concurrent use.
type Sender struct {
	window  []Entry         // pushed and not acknowledged, in the order of pushing (rule 8)
	bytes   int             // sum of the window's sizes
	pushed  position.Vector // last pushed, by lane
	stable  position.Vector // acknowledged
	trimmed position.Vector // last item, not mark, that was forgotten

	gen     fence.Epoch // of the bound ring; zero: none yet
	resumed bool        // the bound ring's resume note has been read (rule 6)
	resume  position.Vector
	next    int    // index in window of the first entry not looked at for this ring
	seq     uint64 // records sent in this ring

	repeats uint64 // records that were not sent again because the consumer had them; counts, decides nothing
}

// Push takes an entry to be sent and kept until its acknowledgement. Entries that are acknowledged already, as a
// restarted stage regenerates them, are dropped. The caller gives Payload away.
func (s *Sender) Push(e Entry) error {
	if err := s.admit(e.Pos); err != nil {
		return err
	}
	s.pushed = s.pushed.With(e.Pos)
	if s.stable.Covers(e.Pos) {
		s.repeats++
		s.forget(e)
		return nil
	}
	if e.Kind == Mark && s.raiseMark(e.Pos) {
		return nil
	}
	s.window = append(s.window, e)
	s.bytes += e.Size()
	return nil
}

// admit refuses what is out of order, and what no record or note could carry.
func (s *Sender) admit(p position.Position) error {
	if err := p.Validate(); err != nil {
		return err
	}
	last, ok := s.pushed.At(p.Lane)
	switch {
	case ok && p.Compare(last) <= 0:
		return fmt.Errorf("%v after %v: %w", p, last, ErrOrder)
	case !ok && s.pushed.Max(s.stable).With(p).Len() > position.LanesMax:
		return fmt.Errorf("%v: more than %d: %w", p, position.LanesMax, ErrLanes)
	}
	return nil
}

// raiseMark moves a mark that is not sent yet, and that no item follows, up to p: so marks do not pile up while nobody
// acknowledges.
func (s *Sender) raiseMark(p position.Position) bool {
	for i := len(s.window) - 1; i >= s.next && s.window[i].Kind == Mark; i-- {
		if s.window[i].Pos.Lane == p.Lane {
			s.window[i].Pos = p
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
	s.gen, s.resumed, s.resume, s.next, s.seq = gen, false, position.Vector{}, 0, 0
}

// Resume takes the bound ring's resume note: what the consumer has accepted. Everything retained above it will be sent
// again; a lane that the note does not name is resumed from what is stable.
func (s *Sender) Resume(accepted position.Vector) error {
	for _, p := range s.trimmed.Positions() {
		if at, ok := accepted.At(p.Lane); ok && at.Compare(p) < 0 {
			return fmt.Errorf("resume at %v, but %v is acknowledged and gone: %w", at, p, ErrTrimmed)
		}
	}
	s.resumed, s.resume, s.next = true, accepted, 0
	return nil
}

// Next returns the entry to send next in the bound ring and its number there, and false while there is none. The caller
// sends it and then says Sent.
func (s *Sender) Next() (e Entry, seq uint64, ok bool) {
	if !s.resumed {
		return Entry{}, 0, false
	}
	for ; s.next < len(s.window); s.next++ {
		if e := s.window[s.next]; !s.resume.Covers(e.Pos) {
			return e, s.seq + 1, true
		}
		s.repeats++
	}
	return Entry{}, 0, false
}

// Sent says that the entry of the last Next is in the ring.
func (s *Sender) Sent() { s.next++; s.seq++ }

// Ack takes a stable note: everything up to it has had its effect and is forgotten (rule 9).
func (s *Sender) Ack(stable position.Vector) {
	s.stable = s.stable.Max(stable)
	n := 0
	for ; n < len(s.window) && s.stable.Covers(s.window[n].Pos); n++ {
		s.bytes -= s.window[n].Size()
		s.forget(s.window[n])
	}
	s.window = slices.Delete(s.window, 0, n)
	s.next = max(0, s.next-n)
}

func (s *Sender) forget(e Entry) {
	if e.Kind == Item {
		s.trimmed = s.trimmed.With(e.Pos)
	}
}

// Generation returns the bound ring's generation.
func (s *Sender) Generation() fence.Epoch { return s.gen }

// Stable returns what is acknowledged.
func (s *Sender) Stable() position.Vector { return s.stable }

// Pushed returns the last pushed position of each lane.
func (s *Sender) Pushed() position.Vector { return s.pushed }

// Repeats returns how many records were spared, over all rings, because the consumer had them already.
func (s *Sender) Repeats() uint64 { return s.repeats }

// Retained returns how many entries are kept, and their size in bytes.
func (s *Sender) Retained() (entries, bytes int) { return len(s.window), s.bytes }

// Clone returns an independent copy that shares only payloads, which nobody changes.
func (s *Sender) Clone() *Sender {
	c := *s
	c.window = slices.Clone(s.window)
	return &c
}

// AppendKey appends an encoding of the whole state but payloads: equal states give equal bytes. It is for explorers, which
// must recognise a state that they have seen.
func (s *Sender) AppendKey(b []byte) []byte {
	b = appendNumbers(b, uint64(s.gen), flag(s.resumed), uint64(s.next), s.seq, uint64(len(s.window)))
	for _, e := range s.window {
		b = append(e.Pos.Append(b), byte(e.Kind))
	}
	for _, v := range []position.Vector{s.pushed, s.stable, s.trimmed, s.resume} {
		b = v.Append(append(b, byte(v.Len())))
	}
	return b
}
