package handoff

import (
	"fmt"

	"github.com/grafnode/grafnode/position"
)

// pending is records that are accepted, or dropped as repeats, and still have their places in a ring: a run of them, all of one length and of
// one lane, whose offsets grow by steps and whose subs are the same. Most streams are a few runs, whatever is in flight. A repeat,
// a mark and an end are runs of one. A record of several items counts as one at the position of its last: only with that it is done with.
type pending struct {
	offset, sub uint64 // of the first
	step        uint64
	n           uint64 // records
	lane        position.Lane
	bytes       uint32 // of each
	items       uint32 // in each
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

// AcceptItems takes the next record of the bound ring, of one item or several, as Accept does, and puts the positions of those that are new into at. All before them are
// repeats. The payloads, of the new ones only, alias b.
func (r *Receiver) AcceptItems(b []byte, at *[ItemsMax]position.Position) (items Items, err error) {
	if err := items.decode(b, &r.stamp, r.seq+1); err != nil {
		return items, fmt.Errorf("generation %d: %w", r.gen, err)
	}
	if !items.positions(at) {
		return items, fmt.Errorf("generation %d: record %d, of %d items from %v, has a wrong position: %w", r.gen, r.seq+1, items.N, items.first, ErrDamaged)
	}
	old := 0
	for old < items.N && r.accepted.Covers(at[old]) {
		old++
	}
	last := at[items.N-1]
	if old < items.N {
		if err := r.raise(last); err != nil {
			return items, err
		}
	}
	r.seq++
	r.await(pending{offset: last.Offset, sub: last.Sub, n: 1, lane: last.Lane, bytes: uint32(len(b)), items: uint32(items.N), kind: Item, repeat: old == items.N})
	copy(at[:], at[old:items.N])
	items.N -= old
	items.Payloads = items.Payloads[old*items.Bytes:]
	return items, nil
}

// raise accepts p, which is new.
func (r *Receiver) raise(p position.Position) error {
	if _, known := r.accepted.At(p.Lane); !known && r.accepted.Len() == position.LanesMax {
		return fmt.Errorf("%v: more than %d: %w", p, position.LanesMax, ErrLanes)
	}
	r.accepted.Raise(p)
	return nil
}

// await adds a record to what is pending.
func (r *Receiver) await(p pending) {
	if i := r.pending.len(); i > r.old && p.kind == Item && !p.repeat { // what was read in another ring frees nothing in this one
		if run := r.pending.at(i - 1); run.takes(&p) {
			run.step = p.offset - run.last().Offset
			run.n++
			return
		}
	}
	r.pending.push(p)
}

// takes reports whether a record can join the run.
func (p *pending) takes(q *pending) bool {
	return p.lane == q.lane && p.bytes == q.bytes && p.items == q.items && p.kind == Item && !p.repeat && p.sub == q.sub &&
		p.offset < q.offset && (p.n == 1 || q.offset == p.offset+p.n*p.step)
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
