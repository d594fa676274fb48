package explore

import (
	"fmt"
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
	Faults int  // lost or cut rings, damaged records, takeovers, relocations by a third party, ends of a spare's lease
	Only   Kind // faults of this kind only; zero: of all
	Spares int  // how often a spare may be armed; none: no edge has one
	Plans  bool // a spare may be armed as a planned move, by anyone
	Tells  bool // a spare's node says if one side has left it
	Alarms bool // the consumer too may believe that its ring is lost, as the producer may
	Apart  bool // opening a ring, meeting in it, and hearing what became of a question are steps of their own: many more states
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
}

type frame struct {
	pos     position.Position
	kind    handoff.Kind
	damaged bool
}

// end is one end of an edge in a process.
type end struct {
	epoch fence.Epoch // of the role; zero: the stage has no such end
	route handoff.Route
	bound int  // arena, or -1
	heard bool // out: the bound arena's resume note has been read
	ask   ask
	later bool // no spare is armed before somebody says so
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
	spares int // armed so far
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
		w.recs = append(w.recs, record{handoff.Record{Revision: 1, Generation: 1, Producer: 1, Consumer: 1, Held: true}, 1})
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
		p.in.take(handoff.Consumer, w.recs[stage-1], false)
	}
	if w.hasOut(stage) {
		p.out.take(handoff.Producer, w.recs[stage], w.b.Spares > 0)
		p.s = new(handoff.Sender)
	}
	return p
}

// take gives an end its role in a record that was just changed for it.
func (e *end) take(role handoff.Role, rec record, arms bool) {
	e.epoch = rec.Producer
	if role == handoff.Consumer {
		e.epoch = rec.Consumer
	}
	e.route = handoff.NewRoute(role, e.epoch, arms)
	e.route.Step(handoff.Event{What: handoff.News, Record: rec.Record}) // the ring that it says to attach is opened in a step of its own
}

// arenaOf returns the ring of a generation.
func (w *World) arenaOf(edge int, gen fence.Epoch) int {
	for i := range w.arenas {
		if a := &w.arenas[i]; a.edge == edge && a.gen == gen {
			return i
		}
	}
	panic(fmt.Sprintf("no ring of generation %d on edge %d", gen, edge))
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

// clone returns a copy to take a step in: of process i alone, or of none. Slices only grow, so copies may share them until then.
func (w *World) clone(i int) *World {
	c := *w
	c.recs = slices.Clone(w.recs)
	c.arenas = slices.Clone(w.arenas)
	for i := range c.arenas {
		c.arenas[i].frames = slices.Clip(w.arenas[i].frames)
	}
	c.procs = slices.Clone(w.procs)
	c.store.effects = slices.Clip(w.store.effects)
	if i < 0 {
		return &c
	}
	p := &c.procs[i]
	p.inputs, p.batch = slices.Clip(p.inputs), slices.Clip(p.batch)
	if p.r != nil {
		p.r = p.r.Clone()
	}
	if p.s != nil {
		p.s = p.s.Clone()
	}
	return &c
}
