package handoff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// ErrAckAhead says that a position was acknowledged that has never been accepted. It is a bug of the caller, and terminal.
var ErrAckAhead = errors.New("handoff: acknowledged a position that was never accepted")

// Receiver is the consumer's side. It is not safe for concurrent use.
type Receiver struct {
	accepted  position.Vector // last accepted, by lane: the volatile position
	stable    position.Vector // acknowledged
	autoMarks bool            // marks acknowledge themselves once all before them is acknowledged
	pending   []pending       // accepted and not acknowledged, in order

	gen   fence.Epoch // of the bound ring; zero: none yet
	seq   uint64      // records read in this ring
	freed uint64      // records of this ring whose space is given back
}

// pending is a record that is accepted, or dropped as a repeat, and still has its place in a ring.
type pending struct {
	pos    position.Position
	kind   Kind
	repeat bool
	gen    fence.Epoch // the ring it was read in
}

// NewReceiver returns a Receiver that goes on after resume: what its store has durably, or nothing, in which case the
// producer resumes from what is stable. With autoMarks, marks need no Ack of their own.
func NewReceiver(resume position.Vector, autoMarks bool) *Receiver {
	return &Receiver{accepted: resume, stable: resume, autoMarks: autoMarks}
}

// Bind leaves the old ring for that of a higher generation and returns the notes to write into it: where to resume, and
// what is stable. Nothing of the old ring may be offered afterwards (rule 6).
func (r *Receiver) Bind(gen fence.Epoch) (resume, stable position.Vector) {
	if gen <= r.gen {
		panic(fmt.Sprintf("handoff: receiver bound to generation %d after %d", gen, r.gen))
	}
	r.gen, r.seq, r.freed = gen, 0, 0
	r.pending = slices.DeleteFunc(r.pending, func(p pending) bool { return p.repeat })
	return r.accepted, r.stable
}

// Accept takes the next record of the bound ring. It returns the entry and true if it is new; a repeat returns false.
// ErrDamaged means that the ring is: bind another. ErrLanes is terminal. The payload aliases b.
func (r *Receiver) Accept(b []byte) (e Entry, fresh bool, err error) {
	e, err = decode(b, r.gen, r.seq+1)
	if err != nil {
		return Entry{}, false, err
	}
	if _, known := r.accepted.At(e.Pos.Lane); !known && r.accepted.Len() == position.LanesMax {
		return Entry{}, false, fmt.Errorf("%v: more than %d: %w", e.Pos, position.LanesMax, ErrLanes)
	}
	r.seq++
	repeat := r.accepted.Covers(e.Pos)
	r.accepted = r.accepted.With(e.Pos)
	r.pending = append(r.pending, pending{pos: e.Pos, kind: e.Kind, repeat: repeat, gen: r.gen})
	return e, !repeat, nil
}

// Ack says that everything of p's lane up to p has had its effect.
func (r *Receiver) Ack(p position.Position) error {
	if !r.accepted.Covers(p) {
		return fmt.Errorf("%v: %w", p, ErrAckAhead)
	}
	r.stable = r.stable.With(p)
	return nil
}

// Freed settles what is acknowledged from the front and returns what to tell the bound ring: how many of its records are
// done with, and what is stable. It is to be called after Accept and Ack, as often as one likes.
func (r *Receiver) Freed() (records uint64, stable position.Vector) {
	n := 0
	for ; n < len(r.pending); n++ {
		p := r.pending[n]
		if r.autoMarks && p.kind != Item {
			r.stable = r.stable.With(p.pos)
		}
		if !p.repeat && !r.stable.Covers(p.pos) {
			break
		}
		if p.gen == r.gen {
			r.freed++
		}
	}
	r.pending = slices.Delete(r.pending, 0, n)
	return r.freed, r.stable
}

// Generation returns the bound ring's generation.
func (r *Receiver) Generation() fence.Epoch { return r.gen }

// Accepted returns the volatile position: the last accepted of each lane.
func (r *Receiver) Accepted() position.Vector { return r.accepted }

// Stable returns what is acknowledged.
func (r *Receiver) Stable() position.Vector { return r.stable }

// Pending returns how many records are accepted and not acknowledged.
func (r *Receiver) Pending() int { return len(r.pending) }

// Clone returns an independent copy.
func (r *Receiver) Clone() *Receiver {
	c := *r
	c.pending = slices.Clone(r.pending)
	return &c
}

// AppendKey appends an encoding of the whole state: equal states give equal bytes. See Sender.AppendKey.
func (r *Receiver) AppendKey(b []byte) []byte {
	b = appendNumbers(b, uint64(r.gen), r.seq, r.freed, flag(r.autoMarks), uint64(len(r.pending)))
	for _, p := range r.pending {
		b = appendNumbers(append(p.pos.Append(b), byte(p.kind)), flag(p.repeat), uint64(p.gen))
	}
	for _, v := range []position.Vector{r.accepted, r.stable} {
		b = v.Append(append(b, byte(v.Len())))
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
