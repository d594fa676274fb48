package explore

import (
	"fmt"

	"github.com/grafnode/grafnode/position"
)

// Shape is what the pipeline looks like.
type Shape byte

// The shapes. Between source and sink there is:
const (
	Chain  Shape = iota // nothing: the source itself filters and multiplies
	Staged              // a stage that does
	Merged              // a stage that merges two sources
	Logged              // a stage that is not deterministic, and logs its outputs (rule 11)
)

// children is how many items each source offset becomes on the way: one, none (filtered), two (flat-mapped), and so on.
var children = []int{1, 0, 2, 1}

// verdicts is how many outcomes there are of one input where it is not deterministic: it becomes the child of that number.
const verdicts = 2

// shape is a Shape, spelt out. Stages that read sources come first, in their order, and the sink last.
type shape struct {
	sources  int
	edges    int
	stages   []stage
	expected [][]position.Position // by lane, in order; of Logged: one verdict
	effects  int                   // how many there are at the end
}

type stage struct {
	ins []int
	out int // or -1
}

func shapeOf(b Bounds) *shape {
	s := &shape{sources: 1, edges: 2, stages: []stage{{out: 0}, {ins: []int{0}, out: 1}, {ins: []int{1}, out: -1}}}
	switch b.Shape {
	case Chain:
		s.edges, s.stages = 1, []stage{{out: 0}, {ins: []int{0}, out: -1}}
	case Merged:
		s.sources, s.edges = 2, 3
		s.stages = []stage{{out: 0}, {out: 1}, {ins: []int{0, 1}, out: 2}, {ins: []int{2}, out: -1}}
	}
	for lane := range s.sources {
		var all []position.Position
		for x := range b.Inputs {
			all = append(all, outputs(b.Shape, lane, x)...)
		}
		s.expected = append(s.expected, all)
		s.effects += len(all)
	}
	return s
}

// outputs returns the positions that the input at offset of a source becomes.
func outputs(s Shape, source, offset int) (out []position.Position) {
	in := position.Position{Lane: position.Lane(source), Offset: uint64(offset)}
	switch s {
	case Merged:
		return []position.Position{in}
	case Logged:
		return []position.Position{child(in, 0)}
	}
	for k := range children[offset] {
		out = append(out, child(in, k))
	}
	return out
}

func child(p position.Position, k int) position.Position {
	c, err := p.Child(k)
	if err != nil {
		panic(err)
	}
	return c
}

func (w *World) isSource(stage int) bool { return stage < w.shape.sources }
func (w *World) isSink(stage int) bool   { return w.shape.stages[stage].out < 0 }
func (w *World) isLogged(stage int) bool {
	return w.b.Shape == Logged && !w.isSource(stage) && !w.isSink(stage)
}

// reaches reports whether an edge leads to the sink. What goes on others is inputs, as the source has them.
func (w *World) reaches(edge int) bool { return edge == w.shape.edges-1 }

// want fails if something up to p, a position on an edge, or a source's input if it is not the sink's edge, has had no effect, or, if it is
// an input of a stage that logs, is not logged.
func (w *World) want(edge int, p position.Position) error {
	if !w.reaches(edge) {
		switch w.b.Shape {
		case Logged:
			if n := uint64(len(w.log.outs)); p.Offset >= n {
				return fmt.Errorf("only %d inputs are logged", n)
			}
			return nil
		case Merged:
			p.Lane = position.Lane(edge)
		}
		p = p.End()
	}
	n := 0 // effects of that lane, which are a prefix of what is expected
	for _, e := range w.store.effects {
		if e.Lane == p.Lane {
			n++
		}
	}
	switch all := w.shape.expected[p.Lane]; {
	case n == len(all):
	case w.b.Shape == Logged && all[n].Offset <= p.Offset, w.b.Shape != Logged && all[n].Compare(p) <= 0:
		return fmt.Errorf("%v has had no effect", all[n])
	}
	return nil
}

// prefix fails unless the effects are, lane by lane, the first ones that are expected, each once (I6), and of an input with several
// outcomes those of one.
func (w *World) prefix(effects []position.Position) error {
	var n [2]int
	for _, e := range effects {
		all, i := w.shape.expected[e.Lane], n[e.Lane]
		same := i < len(all) && e == all[i]
		if w.b.Shape == Logged && i < len(all) {
			same = e.Offset == all[i].Offset
		}
		if !same {
			return fmt.Errorf("I6: effects %v are not a prefix of %v", effects, all)
		}
		n[e.Lane]++
	}
	return nil
}
