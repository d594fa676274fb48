package explore

import (
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// Bounds limit what is explored.
type Bounds struct {
	Shape  Shape
	Inputs int  // offsets of each source, at most len(children)
	Faults int  // lost or cut rings, damaged records, takeovers, relocations by a third party, ends of a spare's lease
	Only   Kind // faults of this kind only; zero: of all
	Spares int  // how often a spare may be armed; none: no edge has one
	Plans  bool // a spare may be armed as a planned move, by anyone
	Tells  bool // a spare's node says if one side has left it
	Alarms bool // the consumer too may believe that its ring is lost, as the producer may
	Apart  bool // opening a ring, meeting in it, and hearing what became of a question are steps of their own: many more states
	Begun  bool // at the beginning all processes have taken their stores and opened their rings
	States int  // give up beyond so many
}

// Kind is a kind of faults.
type Kind byte

// The kinds: a ring or a spare is lost, for both sides or for one; a process is replaced.
const (
	Losses    Kind = 1
	Takeovers Kind = 2
)

// record is an edge's handoff record. Its revision is the view's.
type record struct {
	handoff.Record
	top fence.Epoch
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
	greeted          bool // a spare's consumer has attached
	active           bool // a spare is the edge's ring now: the producer's word
	wanted           bool // a spare's consumer wants to move to it
	sum              sum
}

type frame struct {
	pos     position.Position
	kind    handoff.Kind
	damaged bool
}

// end is one end of an edge in a process.
type end struct {
	edge  int
	out   bool
	epoch fence.Epoch // of the role; zero: TakeOneByOne has left it to somebody else
	route handoff.Route
	bound int  // arena, or -1
	heard bool // out: the bound arena's resume note has been read
	ask   ask
	later bool // no spare is armed before somebody says so

	r      *handoff.Receiver   // in
	own    bool                // r is this world's alone
	inputs []position.Position // in, middle stage: accepted and not acknowledged
}

// ask is what an end asked of the registry, and the answer once it is decided.
type ask struct {
	handoff.Effect
	done   bool
	answer handoff.Event
}

// phase of a process that takes over.
type phase byte

const (
	fresh   phase = iota // has the roles, has not touched its store
	fenced               // has written its epoch into the store (rule 5)
	running              // has read where to go on
	dead                 // has learnt that it was replaced
)

// proc is a process of a stage; of those of one stage the last one made is the current one, the others are zombies.
type proc struct {
	stage int
	phase phase
	ends  []end // those in first
	s     *handoff.Sender
	own   bool                // s is this world's alone
	next  int                 // source: the next offset to push; counting merge: of the next output
	batch []position.Position // sink: items accepted and not committed; with a log: outputs made and not logged
	done  position.Vector     // sink: committed; with a log: inputs of which the outputs are logged
	sum   sum
}

// World is one state of everything.
type World struct {
	b      Bounds
	m      Mutant
	shape  *shape
	recs   []record // in room
	arenas []*arena // shared with other worlds until they are written: see ring
	procs  []*proc  // so are these, but for the one that does a step
	owned  uint64   // bits of arenas that are this world's alone
	store  struct { // the sink's
		fence   fence.Epoch
		pos     position.Vector
		effects []position.Position
	}
	log struct { // of a stage that is not deterministic
		fence fence.Epoch
		outs  []position.Position
	}
	cursors []cursor // of the sources; in room
	faults  int
	spares  int // armed so far
	room    struct {
		recs    [3]record
		cursors [2]cursor
	}
}

// cursor is a source's: offsets below upto are trimmed.
type cursor struct {
	fence fence.Epoch
	upto  int
}

// newWorld returns the world right after everything has started.
func newWorld(b Bounds, m Mutant) *World {
	w := &World{b: b, m: m, shape: shapeOf(b)}
	w.recs, w.cursors = w.room.recs[:0], w.room.cursors[:w.shape.sources]
	for e := range w.shape.edges {
		w.addArena(arena{edge: e, gen: 1, prod: 1, cons: 1})
		w.recs = append(w.recs, record{handoff.Record{Revision: 1, Generation: 1, Producer: 1, Consumer: 1, Held: true}, 1})
	}
	for stage := range w.shape.stages {
		w.procs = append(w.procs, w.newProc(stage))
	}
	if b.Begun {
		w.begin()
	}
	return w
}

// begin has all processes take their stores and open their rings.
func (w *World) begin() {
	for _, p := range w.procs {
		for p.phase != running {
			if err := w.takeStore(p); err != nil {
				panic(err)
			}
		}
		for k := range p.ends {
			w.feed(p, &p.ends[k], handoff.Event{What: handoff.Opened, Ring: 1})
		}
	}
}

// newProc returns a process that has just been given the roles of stage in the records.
func (w *World) newProc(stage int) *proc {
	p := &proc{stage: stage}
	for _, edge := range w.shape.stages[stage].ins {
		p.ends = append(p.ends, takeEnd(edge, false, w.recs[edge], false))
	}
	if edge := w.shape.stages[stage].out; edge >= 0 {
		p.ends = append(p.ends, takeEnd(edge, true, w.recs[edge], w.b.Spares > 0))
		p.s, p.own = new(handoff.Sender), true
	}
	return p
}

// takeEnd returns an end that is given its role in a record that was just changed for it.
func takeEnd(edge int, out bool, rec record, arms bool) end {
	e := end{edge: edge, out: out, bound: -1, epoch: rec.Consumer}
	role := handoff.Consumer
	if out {
		role, e.epoch = handoff.Producer, rec.Producer
	}
	e.route = handoff.NewRoute(role, e.epoch, arms)
	e.route.Step(handoff.Event{What: handoff.News, Record: rec.Record}) // the ring that it says to attach is opened in a step of its own
	return e
}

// out returns the end in which a process produces, which is its last.
func (p *proc) out() *end { return &p.ends[len(p.ends)-1] }

// sender returns p's, to be changed.
func (p *proc) sender() *handoff.Sender {
	if !p.own {
		p.s, p.own = p.s.Clone(), true
	}
	return p.s
}

// receiver returns e's, to be changed.
func (e *end) receiver() *handoff.Receiver {
	if !e.own {
		e.r, e.own = e.r.Clone(), true
	}
	return e.r
}

// addArena makes an arena and returns its number.
func (w *World) addArena(a arena) int {
	w.arenas = append(w.arenas, &a)
	w.owned |= 1 << (len(w.arenas) - 1)
	return len(w.arenas) - 1
}

// ring returns an arena, to be changed.
func (w *World) ring(i int) *arena {
	if w.owned&(1<<i) == 0 {
		a := *w.arenas[i]
		a.frames = slices.Clip(a.frames)
		w.arenas[i] = &a
		w.owned |= 1 << i
	}
	w.arenas[i].sum = sum{}
	return w.arenas[i]
}

// arenaOf returns the ring of a generation.
func (w *World) arenaOf(edge int, gen fence.Epoch) int {
	for i, a := range w.arenas {
		if a.edge == edge && a.gen == gen {
			return i
		}
	}
	panic(fmt.Sprintf("no ring of generation %d on edge %d", gen, edge))
}

// cut loses the way of one side to a ring, or of both.
func (w *World) cut(i int, prod, cons bool) {
	a := w.ring(i)
	a.prodCut, a.consCut = a.prodCut || prod, a.consCut || cons
}

// finished reports the good end.
func (w *World) finished() bool {
	for _, c := range w.cursors {
		if c.upto < w.b.Inputs {
			return false
		}
	}
	return len(w.store.effects) == w.shape.effects
}

// clone returns a copy to take a step in: of process i alone, or of none. What is shared is copied before it is written; slices only grow,
// so copies may share them until then.
func (w *World) clone(i int) *World {
	c := *w // and what is in room
	c.owned = 0
	c.recs, c.cursors = c.room.recs[:len(w.recs)], c.room.cursors[:len(w.cursors)]
	c.arenas = append(make([]*arena, 0, len(w.arenas)+1), w.arenas...)
	c.procs = append(make([]*proc, 0, len(w.procs)+1), w.procs...)
	c.store.effects, c.log.outs = slices.Clip(w.store.effects), slices.Clip(w.log.outs)
	if i < 0 {
		return &c
	}
	p := *c.procs[i]
	p.sum, p.own = sum{}, false
	p.batch = slices.Clip(p.batch)
	p.ends = slices.Clone(p.ends)
	for k := range p.ends {
		e := &p.ends[k]
		e.own, e.inputs = false, slices.Clip(e.inputs)
	}
	c.procs[i] = &p
	return &c
}
