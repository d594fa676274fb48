package explore

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// children is how many items each source offset becomes on the way: one, none (filtered), two (flat-mapped), and so on.
var children = []int{1, 0, 2, 1}

// Bounds limit what is explored.
type Bounds struct {
	Inputs int  // source offsets, at most len(children)
	Stage  bool // a stage between source and sink; without it the source itself filters and multiplies
	Faults int  // lost or cut rings, damaged records, takeovers, relocations by a third party
	States int  // give up beyond so many
}

// record is an edge's handoff record.
type record struct {
	rev, gen, top fence.Epoch
	arena         int
	prod, cons    fence.Epoch
}

// arena is a ring. Its frames are numbered from 1 in order.
type arena struct {
	edge             int
	gen              fence.Epoch
	prod, cons       fence.Epoch // who may attach
	prodCut, consCut bool        // the way of one side to it is lost
	frames           []frame
	read             int
	base             int  // frames read before the consumer bound; zero but for ReuseArena
	resumed          bool // the resume note is written
	resume, stable   position.Vector
}

type frame struct {
	pos     position.Position
	kind    handoff.Kind
	damaged bool
}

// end is one end of an edge in a process.
type end struct {
	epoch fence.Epoch // of the role; zero: the stage has no such end
	view  record      // as last read
	bound int         // arena, or -1
	heard bool        // out: the bound arena's resume note has been read
}

// phase of a process that takes over.
type phase byte

const (
	fresh   phase = iota // has the roles, has not touched its store
	fenced               // has written its epoch into the store (rule 5)
	running              // has read where to go on
	dead                 // has learnt that it was replaced
)

// proc is a process of a stage; the last one made is the current one, the others are zombies.
type proc struct {
	stage   int
	phase   phase
	in, out end
	r       *handoff.Receiver
	s       *handoff.Sender
	next    int                 // source: the next offset to push
	inputs  []position.Position // middle stage: accepted and not acknowledged
	batch   []position.Position // sink: items accepted and not committed
	done    position.Vector     // sink: committed
}

// World is one state of everything.
type World struct {
	b      Bounds
	m      Mutant
	recs   []record
	arenas []arena
	procs  []proc
	store  struct { // the sink's
		fence   fence.Epoch
		pos     position.Vector
		effects []position.Position
	}
	cursor struct { // the source's: offsets below upto are trimmed
		fence fence.Epoch
		upto  int
	}
	faults int
}

// newWorld returns the world right after everything has started.
func newWorld(b Bounds, m Mutant) *World {
	w := &World{b: b, m: m}
	edges := 1
	if b.Stage {
		edges = 2
	}
	for e := range edges {
		w.arenas = append(w.arenas, arena{edge: e, gen: 1, prod: 1, cons: 1})
		w.recs = append(w.recs, record{rev: 1, gen: 1, top: 1, arena: e, prod: 1, cons: 1})
	}
	for stage := range edges + 1 {
		w.procs = append(w.procs, w.newProc(stage))
	}
	return w
}

func (w *World) hasIn(stage int) bool  { return stage > 0 }
func (w *World) hasOut(stage int) bool { return stage < len(w.recs) }
func (w *World) isSink(stage int) bool { return stage == len(w.recs) }

// newProc returns a process that has just been given the roles of stage in the records.
func (w *World) newProc(stage int) proc {
	p := proc{stage: stage, in: end{bound: -1}, out: end{bound: -1}}
	if w.hasIn(stage) {
		p.in.view = w.recs[stage-1]
		p.in.epoch = p.in.view.cons
	}
	if w.hasOut(stage) {
		p.out.view = w.recs[stage]
		p.out.epoch = p.out.view.prod
		p.s = new(handoff.Sender)
	}
	return p
}

// outputs returns the positions that the input at offset becomes.
func outputs(offset int) (out []position.Position) {
	for k := range children[offset] {
		p, err := position.Position{Offset: uint64(offset)}.Child(k)
		if err != nil {
			panic(err)
		}
		out = append(out, p)
	}
	return out
}

// expected returns all effects in order.
func (w *World) expected() (out []position.Position) {
	for x := range w.b.Inputs {
		out = append(out, outputs(x)...)
	}
	return out
}

// finished reports the good end.
func (w *World) finished() bool {
	return w.cursor.upto == w.b.Inputs && len(w.store.effects) == len(w.expected())
}

func (w *World) clone() *World {
	c := *w
	c.recs = slices.Clone(w.recs)
	c.arenas = slices.Clone(w.arenas)
	for i := range c.arenas {
		c.arenas[i].frames = slices.Clone(w.arenas[i].frames)
	}
	c.procs = slices.Clone(w.procs)
	for i := range c.procs {
		p := &c.procs[i]
		p.inputs, p.batch = slices.Clone(p.inputs), slices.Clone(p.batch)
		if p.r != nil {
			p.r = p.r.Clone()
		}
		if p.s != nil {
			p.s = p.s.Clone()
		}
	}
	c.store.effects = slices.Clone(w.store.effects)
	return &c
}

// key identifies the state, by its hash. Numbers fit a byte: the bounds are small. Arenas that nobody can reach any more do
// not count, nor do dead processes' insides.
func (w *World) key() [16]byte {
	b := binary.AppendUvarint(nil, uint64(w.faults))
	for _, r := range w.recs {
		b = r.append(b)
	}
	live := w.reachable()
	for i, a := range w.arenas {
		if live[i] {
			b = a.append(binary.AppendUvarint(b, uint64(i)))
		}
	}
	for _, p := range w.procs {
		b = p.append(b)
	}
	b = binary.AppendUvarint(b, uint64(w.store.fence))
	b = w.store.pos.Append(append(b, byte(w.store.pos.Len())))
	b = appendPositions(b, w.store.effects)
	b = binary.AppendUvarint(b, uint64(w.cursor.fence))
	sum := sha256.Sum256(binary.AppendUvarint(b, uint64(w.cursor.upto)))
	return [16]byte(sum[:16])
}

func (w *World) reachable() map[int]bool {
	live := map[int]bool{}
	for _, r := range w.recs {
		live[r.arena] = true
	}
	for _, p := range w.procs {
		if p.phase == dead {
			continue
		}
		for _, e := range []end{p.in, p.out} {
			if e.bound >= 0 {
				live[e.bound] = true
			}
			if e.epoch > 0 {
				live[e.view.arena] = true
			}
		}
	}
	return live
}

func (r record) append(b []byte) []byte {
	return append(b, byte(r.rev), byte(r.gen), byte(r.top), byte(r.arena), byte(r.prod), byte(r.cons))
}

func (a arena) append(b []byte) []byte {
	b = append(b, byte(a.edge), byte(a.gen), byte(a.prod), byte(a.cons), flag(a.prodCut), flag(a.consCut), flag(a.resumed),
		byte(a.read), byte(a.base), byte(len(a.frames)))
	for _, f := range a.frames {
		b = append(f.pos.Append(b), byte(f.kind))
		if f.damaged {
			b = append(b, '!')
		}
	}
	b = a.resume.Append(append(b, byte(a.resume.Len())))
	return a.stable.Append(append(b, byte(a.stable.Len())))
}

func (p proc) append(b []byte) []byte {
	b = append(b, byte(p.stage), byte(p.phase))
	if p.phase == dead {
		return b
	}
	for _, e := range []end{p.in, p.out} {
		b = e.view.append(append(b, byte(e.epoch), byte(e.bound), flag(e.heard)))
	}
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
