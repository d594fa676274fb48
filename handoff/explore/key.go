package explore

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// sum identifies a state, or a part of it, by its hash; zero: it is not known yet.
type sum [16]byte

func sumOf(b []byte) sum {
	all := sha256.Sum256(b)
	return sum(all[:])
}

// key identifies the state. Numbers fit a byte: the bounds are small. Arenas that nobody can reach any more do not count, nor do dead
// processes' insides, nor in which order things were made.
func (w *World) key() sum {
	var room [1024]byte
	b := append(room[:0], byte(w.faults), byte(w.spares))
	for _, r := range w.recs {
		b = append(r.AppendKey(b), byte(r.top))
	}
	live := w.reachable()
	var sums [32]sum
	n := 0
	for i, a := range w.arenas {
		if live&(1<<i) == 0 {
			continue
		}
		if a.sum == (sum{}) {
			a.sum = sumOf(a.append(b[len(b):]))
		}
		sums[n] = a.sum
		n++
	}
	slices.SortFunc(sums[:n], compareSums)
	for _, s := range sums[:n] {
		b = append(b, s[:]...)
	}
	for stage := range w.shape.stages {
		for _, p := range w.procs {
			if p.stage == stage {
				if p.sum == (sum{}) {
					p.sum = sumOf(p.append(b[len(b):], w))
				}
				b = append(b, p.sum[:]...)
			}
		}
	}
	b = append(b, byte(w.store.fence), byte(w.store.pos.Len()))
	b = appendPositions(w.store.pos.Append(b), w.store.effects)
	b = appendPositions(append(b, byte(w.log.fence)), w.log.outs)
	for _, c := range w.cursors {
		b = append(b, byte(c.fence), byte(c.upto))
	}
	return sumOf(b)
}

func compareSums(a, b sum) int { return slices.Compare(a[:], b[:]) }

// reachable says which arenas somebody may still look at, by a bit each.
func (w *World) reachable() (live uint64) {
	if w.m == FollowDown {
		return math.MaxUint64 // one may go back to any
	}
	mark := func(edge int, gens ...fence.Epoch) {
		for i, a := range w.arenas {
			if a.edge == edge && slices.Contains(gens, a.gen) {
				live |= 1 << i
			}
		}
	}
	for e, r := range w.recs {
		mark(e, r.Generation, r.Spare.Generation)
	}
	for _, p := range w.procs {
		if p.phase == dead {
			continue
		}
		for k := range p.ends {
			e := &p.ends[k]
			if e.epoch == 0 {
				continue
			}
			if e.bound >= 0 {
				live |= 1 << e.bound
			}
			rec, answer := e.route.Record(), &e.ask.answer.Record
			mark(e.edge, rec.Generation, rec.Spare.Generation, answer.Generation, answer.Spare.Generation,
				e.route.Ring().Generation, e.route.Spare().Generation)
		}
	}
	return live
}

func (a *arena) append(b []byte) []byte {
	b = append(b, byte(a.edge), byte(a.gen), byte(a.prod), byte(a.cons), flag(a.prodCut), flag(a.consCut), flag(a.resumed),
		flag(a.greeted), flag(a.active), flag(a.wanted), byte(a.read), byte(a.base), byte(len(a.frames)))
	for _, f := range a.frames {
		b = append(f.pos.Append(b), byte(f.kind))
		if f.damaged {
			b = append(b, '!')
		}
	}
	b = a.resume.Append(append(b, byte(a.resume.Len())))
	return a.stable.Append(append(b, byte(a.stable.Len())))
}

func (p *proc) append(b []byte, w *World) []byte {
	b = append(b, byte(p.stage), byte(p.phase))
	if p.phase == dead {
		return b
	}
	for k := range p.ends {
		b = p.ends[k].append(b, w)
	}
	if p.s != nil {
		b = p.s.AppendKey(append(b, 's'))
	}
	b = appendPositions(append(b, byte(p.next)), p.batch)
	return p.done.Append(append(b, byte(p.done.Len())))
}

func (e *end) append(b []byte, w *World) []byte {
	gen := fence.Epoch(0)
	if e.bound >= 0 {
		gen = w.arenas[e.bound].gen
	}
	b = append(b, byte(e.epoch), byte(gen), flag(e.heard), flag(e.later), byte(e.ask.Do), byte(e.ask.Ring), byte(e.ask.Expect),
		flag(e.ask.done), byte(e.ask.answer.What))
	if e.r != nil {
		b = e.r.AppendKey(append(b, 'r'))
	}
	return e.route.AppendKey(appendPositions(e.ask.answer.Record.AppendKey(b), e.inputs))
}

func flag(on bool) byte {
	if on {
		return 1
	}
	return 0
}

func appendPositions(b []byte, ps []position.Position) []byte {
	b = binary.AppendUvarint(b, uint64(len(ps)))
	for _, p := range ps {
		b = p.Append(b)
	}
	return b
}
