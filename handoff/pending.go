package handoff

import (
	"encoding/binary"

	"github.com/grafnode/grafnode/position"
)

// pending is records that are accepted, or dropped as repeats, and still have their places in a ring: a run of them, all of one length and of
// one lane, whose offsets grow by steps and whose subs are the same. Most streams are a few runs, whatever is in flight. A repeat,
// a mark and an end are runs of one.
type pending struct {
	offset, sub uint64 // of the first
	step        uint64
	n           uint64 // records
	lane        position.Lane
	bytes       uint32 // of each
	kind        Kind
	repeat      bool
}

func (p *pending) last() position.Position {
	return position.Position{Lane: p.lane, Offset: p.offset + (p.n-1)*p.step, Sub: p.sub}
}

// upto returns how many of the run's records lie at or below q.
func (p *pending) upto(q position.Position) uint64 {
	switch {
	case !q.Before(p.last()):
		return p.n
	case q.Before(position.Position{Offset: p.offset, Sub: p.sub}):
		return 0
	}
	n := (q.Offset-p.offset)/p.step + 1 // of more than one, or one of these cases is it
	if q.Offset == p.offset+(n-1)*p.step && q.Sub < p.sub {
		n--
	}
	return n
}

// cut takes the first n records out of a run that has more.
func (p *pending) cut(n uint64) {
	p.offset += n * p.step
	p.n -= n
}

// AcceptItems takes the next records of the bound ring, each of so many bytes and stride behind the one before, the first where data begins: as
// many as are new items of one lane, checked without their payloads, and len(at) at most. It puts their positions into at and returns how
// many they are. What it leaves is for Accept, which knows why. What it takes in is not looked at again.
func (r *Receiver) AcceptItems(data []byte, bytes, stride int, at []position.Position) (n int) {
	if bytes < HeaderBytes || len(at) == 0 {
		return 0
	}
	what := binary.LittleEndian.Uint64(data[8:])
	lane := position.Lane(what)
	last, known := r.accepted.At(lane)
	if !known || what>>32 != uint64(Item)|uint64(CheckHeader)<<8 {
		return 0
	}
	base, seq := r.stamp.base(bytes, what), r.seq
	for ; n < len(at); n++ {
		b := data[n*stride:][:HeaderBytes]
		offset, sub := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		p := position.Position{Lane: lane, Offset: offset, Sub: sub}
		seq++
		if binary.LittleEndian.Uint64(b) != uint64(mixIn(base, seq, offset, sub))|seq<<32 || binary.LittleEndian.Uint64(b[8:]) != what ||
			!last.Before(p) || p.Validate() != nil {
			break
		}
		at[n], last = p, p
	}
	if n > 0 {
		r.accepted.Raise(last)
		r.seq += uint64(n)
		r.await(at[:n], uint32(bytes))
	}
	return n
}

// await adds items to what is pending.
func (r *Receiver) await(at []position.Position, bytes uint32) {
	var run *pending
	if i := r.pending.len(); i > r.old { // what was read in another ring frees nothing in this one
		run = r.pending.at(i - 1)
		if run.lane != at[0].Lane || run.bytes != bytes || run.kind != Item || run.repeat {
			run = nil
		}
	}
	for _, p := range at {
		switch {
		case run == nil || run.sub != p.Sub || run.n > 1 && p.Offset != run.offset+run.n*run.step:
			run = r.pending.add()
			*run = pending{offset: p.Offset, sub: p.Sub, n: 1, lane: p.Lane, bytes: bytes, kind: Item}
			continue
		case run.n == 1:
			run.step = p.Offset - run.offset
		}
		run.n++
	}
}

// Hold keeps the space of the last n records that were accepted, even if they are acknowledged, until the next Hold.
func (r *Receiver) Hold(n int) {
	r.held = 0
	if n > 0 {
		r.held = r.seq - uint64(n) + 1
	}
}

// Settle is Freed without what is stable, but with how many bytes the records had.
func (r *Receiver) Settle() (records, bytes uint64) {
	var upto position.Position // of the lane that the records are of; they come in runs
	n, known := 0, false
	for ; n < r.pending.n; n++ {
		p := r.pending.at(n)
		if r.autoMarks && p.kind != Item {
			r.stable.Raise(p.last())
			known = false
		}
		if !known || p.lane != upto.Lane {
			upto, known = r.stable.At(p.lane)
		}
		done := uint64(0)
		switch {
		case p.repeat:
			done = p.n
		case known:
			done = p.upto(upto)
		}
		if n >= r.old {
			if r.held != 0 {
				done = min(done, r.held-1-r.freed)
			}
			r.freed += done
			r.room += done * uint64(p.bytes)
		}
		if done < p.n {
			p.cut(done)
			break
		}
	}
	r.pending.drop(n)
	r.old -= min(n, r.old)
	return r.freed, r.room
}
