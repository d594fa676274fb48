package explore

import (
	"fmt"
	"strings"

	"github.com/grafnode/grafnode/handoff"
)

// step is something that may happen next: either do changes the world that it is given, which is a copy, and its error is a violated
// invariant; or, without do, an end is fed an event. Its name is made when somebody wants to read it.
type step struct {
	who   int // the process that does it, or -1
	end   int // which of its ends, or -1
	what  string
	arg   uint64 // for a %d of what
	fault bool
	event handoff.Event
	do    func(*World) error
}

// steps appends everything that may happen in w to all.
func (w *World) steps(all []step) []step {
	for i, p := range w.procs {
		switch p.phase {
		case dead:
			continue
		case running:
		default:
			all = append(all, step{who: i, end: -1, what: "takes its store", do: func(w *World) error { return w.takeStore(w.procs[i]) }})
			continue
		}
		for k := range p.ends {
			all = w.endSteps(all, i, k)
			if !p.ends[k].out {
				all = w.inSteps(all, i, k)
			} else {
				all = w.outSteps(all, i, k)
			}
		}
		all = w.storeSteps(all, i)
	}
	for e := range w.recs {
		if w.b.Plans && w.spares < w.b.Spares { // no fault, but nothing waits for it
			all = append(all, step{who: -1, what: "a move of edge %d is planned", arg: uint64(e), fault: true, do: func(w *World) error { return w.plan(e) }})
		}
	}
	return w.faultSteps(w.nodeSteps(all))
}

// nodeSteps: the node of a spare that one side has left ends it for the other. It may die instead, so that nothing relies on it.
func (w *World) nodeSteps(all []step) []step {
	if !w.b.Tells {
		return all
	}
	for e, rec := range w.recs {
		if rec.Spare == (handoff.Spare{}) {
			continue
		}
		i := w.arenaOf(e, rec.Spare.Generation)
		if a := w.arenas[i]; a.prodCut == a.consCut {
			continue
		}
		all = append(all, step{who: -1, what: "the node of edge %d's spare ends it", arg: uint64(e), do: func(w *World) error {
			w.cut(i, true, true)
			return nil
		}})
	}
	return all
}

// name tells a step of w.
func (w *World) name(s *step) string {
	name := s.what
	if strings.Contains(name, "%d") {
		name = fmt.Sprintf(name, s.arg)
	}
	if s.who >= 0 {
		p := w.procs[s.who]
		if s.end >= 0 {
			e := &p.ends[s.end]
			way := "in"
			if e.out {
				way = "out"
			}
			name = fmt.Sprintf("%s of edge %d %s", way, e.edge, name)
		}
		return fmt.Sprintf("process %d (stage %d) %s", s.who, p.stage, name)
	}
	if s.fault {
		name = "FAULT " + name
	}
	return name
}
