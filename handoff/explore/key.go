package explore

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// key identifies the state, by its hash. Numbers fit a byte: the bounds are small. Arenas that nobody can reach any more do
// not count, nor do dead processes' insides.
func (w *World) key() [16]byte {
	b := binary.AppendUvarint(make([]byte, 0, 512), uint64(w.faults))
	b = binary.AppendUvarint(b, uint64(w.spares))
	for _, r := range w.recs {
		b = append(r.AppendKey(b), byte(r.top))
	}
	live := w.reachable()
	for i := range w.arenas {
		if a := &w.arenas[i]; live[i] {
			b = a.append(binary.AppendUvarint(b, uint64(i)))
		}
	}
	for i := range w.procs {
		b = w.procs[i].append(b)
	}
	b = binary.AppendUvarint(b, uint64(w.store.fence))
	b = w.store.pos.Append(append(b, byte(w.store.pos.Len())))
	b = appendPositions(b, w.store.effects)
	b = binary.AppendUvarint(b, uint64(w.cursor.fence))
	sum := sha256.Sum256(binary.AppendUvarint(b, uint64(w.cursor.upto)))
	return [16]byte(sum[:16])
}

// reachable says which arenas somebody may still look at.
func (w *World) reachable() []bool {
	live := make([]bool, len(w.arenas))
	mark := func(edge int, gens ...fence.Epoch) {
		for i := range w.arenas {
			if a := &w.arenas[i]; a.edge == edge && !live[i] {
				live[i] = slices.Contains(gens, a.gen)
			}
		}
	}
	for e, r := range w.recs {
		mark(e, r.Generation, r.Spare.Generation)
	}
	for i := range w.procs {
		p := &w.procs[i]
		if p.phase == dead {
			continue
		}
		for _, out := range [...]bool{false, true} {
			e, edge := p.end(out)
			if e.epoch == 0 {
				continue
			}
			if e.bound >= 0 {
				live[e.bound] = true
			}
			rec, answer := e.route.Record(), e.ask.answer.Record
			mark(edge, rec.Generation, rec.Spare.Generation, answer.Generation, answer.Spare.Generation,
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

func (p *proc) append(b []byte) []byte {
	b = append(b, byte(p.stage), byte(p.phase))
	if p.phase == dead {
		return b
	}
	b = p.out.append(p.in.append(b))
	if p.r != nil {
		b = p.r.AppendKey(append(b, 'r'))
	}
	if p.s != nil {
		b = p.s.AppendKey(append(b, 's'))
	}
	b = binary.AppendUvarint(b, uint64(p.next))
	b = appendPositions(appendPositions(b, p.inputs), p.batch)
	return p.done.Append(append(b, byte(p.done.Len())))
}

func (e *end) append(b []byte) []byte {
	b = append(b, byte(e.epoch), byte(e.bound), flag(e.heard), flag(e.later), byte(e.ask.Do), byte(e.ask.Ring), byte(e.ask.Expect),
		flag(e.ask.done), byte(e.ask.answer.What))
	return e.route.AppendKey(e.ask.answer.Record.AppendKey(b))
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
