package explore

import (
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// faultSteps lists what may fail: a ring lost for both sides or for one, a record damaged, a process replaced (the old one
// lives on), a relocation by a third party.
func (w *World) faultSteps() (all []step) {
	if w.faults >= w.b.Faults {
		return nil
	}
	add := func(kind Kind, name string, do func(*World) error) {
		if w.b.Only != 0 && kind != w.b.Only {
			return
		}
		all = append(all, step{name: "FAULT " + name, who: -1, fault: true, do: func(w *World) error { w.faults++; return do(w) }})
	}
	for e, rec := range w.recs {
		w.ringFaults(add, e, rec.Generation)
		if rec.Spare != (handoff.Spare{}) {
			w.ringFaults(add, e, rec.Spare.Generation)
			add(0, fmt.Sprintf("the lease of edge %d's spare ends", e), func(w *World) error {
				rec := &w.recs[e]
				a := &w.arenas[w.arenaOf(e, rec.Spare.Generation)]
				a.prodCut, a.consCut = true, true
				rec.Spare = handoff.Spare{}
				rec.Revision++
				return nil
			})
		}
		add(0, fmt.Sprintf("a third party relocates edge %d", e), func(w *World) error {
			return w.grant(e, w.recs[e].Generation, w.recs[e].Producer, w.recs[e].Consumer)
		})
	}
	for stage := range len(w.recs) + 1 {
		if w.instances(stage) < 2 {
			add(Takeovers, fmt.Sprintf("stage %d is taken over", stage), func(w *World) error { return w.takeover(stage) })
		}
	}
	return all
}

// ringFaults lists what may happen to one ring.
func (w *World) ringFaults(add func(Kind, string, func(*World) error), edge int, gen fence.Epoch) {
	i := w.arenaOf(edge, gen)
	a := w.arenas[i]
	cut := func(name string, prod, cons bool) {
		add(Losses, fmt.Sprintf("ring %d of edge %d is lost for %s", gen, edge, name), func(w *World) error {
			a := &w.arenas[i]
			a.prodCut, a.consCut = a.prodCut || prod, a.consCut || cons
			return nil
		})
	}
	if !a.prodCut && !a.consCut {
		cut("both", true, true)
		cut("the producer", true, false)
		cut("the consumer", false, true)
	}
	if n := len(a.frames); a.read < n && !a.frames[n-1].damaged {
		add(0, fmt.Sprintf("record %d in ring %d of edge %d is damaged", n, gen, edge), func(w *World) error {
			a := &w.arenas[i]
			a.frames = slices.Clone(a.frames)
			a.frames[len(a.frames)-1].damaged = true
			return nil
		})
	}
}

func (w *World) instances(stage int) (n int) {
	for _, p := range w.procs {
		if p.stage == stage {
			n++
		}
	}
	return n
}

// takeover gives a stage's roles, all at once (rule 3), to a new process.
func (w *World) takeover(stage int) error {
	if w.hasIn(stage) {
		if err := w.replace(stage-1, false); err != nil {
			return err
		}
	}
	if w.m == TakeOneByOne {
		w.procs = append(w.procs, w.newProc(stage)) // one standby won the first edge, and loses the second
	}
	if w.hasOut(stage) {
		if err := w.replace(stage, true); err != nil {
			return err
		}
	}
	p := w.newProc(stage)
	if w.m == TakeOneByOne && w.hasIn(stage) {
		p.in.epoch = 0 // the other standby has that one
	}
	w.procs = append(w.procs, p)
	return nil
}

// replace grants an edge a new ring for a new party.
func (w *World) replace(edge int, producer bool) error {
	rec := &w.recs[edge]
	prod, cons := rec.Producer, rec.Consumer
	epoch := rec.top + 1
	if producer {
		prod = epoch
	} else {
		cons = epoch
	}
	if w.m == ReuseArena && !producer {
		rec.Revision, rec.Consumer, rec.top = rec.Revision+1, cons, epoch
		return nil
	}
	return w.grant(edge, rec.Generation, prod, cons)
}
