package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// ErrAckAhead says that a position was acknowledged that has never been accepted. It is a bug of the caller, and terminal.
var ErrAckAhead = errors.New("handoff: acknowledged a position that was never accepted")

// Receiver is the consumer's side. It is not safe for concurrent use, and must not be copied but by Clone.
type Receiver struct {
	accepted  position.Table // last accepted, by lane: the volatile position
	stable    position.Table // acknowledged
	autoMarks bool           // marks acknowledge themselves once all before them is acknowledged
	pending   queue[pending] // accepted and not acknowledged, in order
	old       int            // of these runs, how many were read in earlier rings
	held      uint64         // records from this one on keep their space, whatever is acknowledged; zero: none do

	gen   fence.Epoch // of the bound ring; zero: none yet
	stamp stamp       // of gen
	seq   uint64      // records read in this ring
	freed uint64      // records of this ring whose space is given back
	room  uint64      // and how many bytes these had
}

// NewReceiver returns a Receiver that goes on after resume: what its store has durably, or nothing, in which case the
// producer resumes from what is stable. With autoMarks, marks need no Ack of their own.
func NewReceiver(resume position.Vector, autoMarks bool) *Receiver {
	return &Receiver{accepted: position.TableOf(resume), stable: position.TableOf(resume), autoMarks: autoMarks}
}

// Bind leaves the old ring for that of a higher generation and returns the notes to write into it: where to resume, and
// what is stable. Nothing of the old ring may be offered afterwards (rule 6).
func (r *Receiver) Bind(gen fence.Epoch) (resume, stable position.Vector) {
	if gen <= r.gen {
		panic(fmt.Sprintf("handoff: receiver bound to generation %d after %d", gen, r.gen))
	}
	r.gen, r.stamp, r.seq, r.freed, r.room, r.held = gen, stampOf(gen), 0, 0, 0, 0
	r.pending.deleteFunc(func(p pending) bool { return p.repeat })
	r.old = r.pending.len()
	return r.accepted.Vector(), r.stable.Vector()
}

// Accept takes the next record of the bound ring, of one item or a mark, into e. It returns true if it is new, and false if it is a repeat.
// ErrDamaged means that the ring is: bind another. ErrLanes is terminal. The payload aliases b.
func (r *Receiver) Accept(b []byte, e *Entry) (fresh bool, err error) {
	if err := e.decode(b, &r.stamp, r.seq+1); err != nil {
		return false, fmt.Errorf("generation %d: %w", r.gen, err)
	}
	if fresh = r.accepted.Advance(e.Pos); !fresh && !r.accepted.Covers(e.Pos) {
		if err := r.raise(e.Pos); err != nil {
			return false, err
		}
		fresh = true
	}
	r.seq++
	r.await(pending{offset: e.Pos.Offset, sub: e.Pos.Sub, n: 1, lane: e.Pos.Lane, bytes: uint32(len(b)), items: 1, kind: e.Kind, repeat: !fresh})
	return fresh, nil
}

// Ack says that everything of p's lane up to p has had its effect.
func (r *Receiver) Ack(p position.Position) error {
	if !r.accepted.Covers(p) {
		return fmt.Errorf("%v: %w", p, ErrAckAhead)
	}
	r.stable.Raise(p)
	return nil
}

// Freed settles what is acknowledged from the front and returns what to tell the bound ring: how many of its records are
// done with, and what is stable. It is to be called after Accept and Ack, as often as one likes.
func (r *Receiver) Freed() (records uint64, stable position.Vector) {
	records, _ = r.Settle()
	return records, r.stable.Vector()
}

// Generation returns the bound ring's generation.
func (r *Receiver) Generation() fence.Epoch { return r.gen }

// Accepted returns the volatile position: the last accepted of each lane.
func (r *Receiver) Accepted() position.Vector { return r.accepted.Vector() }

// Stable returns what is acknowledged.
func (r *Receiver) Stable() position.Vector { return r.stable.Vector() }

// Pending returns how many items and marks are accepted and not acknowledged; of those that share a record all are, until all are acknowledged.
func (r *Receiver) Pending() (n int) {
	for i := range r.pending.len() {
		p := r.pending.at(i)
		n += int(p.n) * int(p.items)
	}
	return n
}

// Clone returns an independent copy.
func (r *Receiver) Clone() *Receiver {
	c := *r
	c.pending, c.accepted, c.stable = r.pending.clone(), r.accepted.Clone(), r.stable.Clone()
	return &c
}

// AppendKey appends an encoding of the whole state: equal states give equal bytes. See Sender.AppendKey.
func (r *Receiver) AppendKey(b []byte) []byte {
	b = appendNumbers(b, uint64(r.gen), r.seq, r.freed, r.held, flag(r.autoMarks), uint64(r.pending.len()), uint64(r.old))
	for i := range r.pending.len() {
		p := r.pending.at(i)
		b = append(append(p.last().Append(appendNumbers(b, p.n, p.step, uint64(p.items))), byte(p.kind)), byte(flag(p.repeat)))
	}
	for _, t := range []*position.Table{&r.accepted, &r.stable} {
		b = t.Append(append(b, byte(t.Len())))
	}
	return b
}

func appendNumbers(b []byte, ns ...uint64) []byte {
	for _, n := range ns {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func flag(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}
