package explore

import (
	"slices"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// faultSteps lists what may fail: a ring lost for both sides or for one, a record damaged, a process replaced (the old one
// lives on), a relocation by a third party.
func (w *World) faultSteps(all []step) []step {
	if w.faults >= w.b.Faults {
		return all
	}
	add := func(kind Kind, what string, arg int, do func(*World) error) {
		if w.b.Only != 0 && kind != w.b.Only {
			return
		}
		all = append(all, step{who: -1, what: what, arg: uint64(arg), fault: true, do: func(w *World) error { w.faults++; return do(w) }})
	}
	for e, rec := range w.recs {
		w.ringFaults(add, e, rec.Generation)
		if rec.Spare != (handoff.Spare{}) {
			w.ringFaults(add, e, rec.Spare.Generation)
			add(0, "the lease of edge %d's spare ends", e, func(w *World) error {
				rec := &w.recs[e]
				w.cut(w.arenaOf(e, rec.Spare.Generation), true, true)
				rec.Spare = handoff.Spare{}
				rec.Revision++
				return nil
			})
		}
		add(0, "a third party relocates edge %d", e, func(w *World) error {
			return w.grant(e, w.recs[e].Generation, w.recs[e].Producer, w.recs[e].Consumer)
		})
	}
	for stage := range w.shape.stages {
		if w.instances(stage) < 2 {
			add(Takeovers, "stage %d is taken over", stage, func(w *World) error { return w.takeover(stage) })
		}
	}
	return all
}

// ringFaults lists what may happen to one ring.
func (w *World) ringFaults(add func(Kind, string, int, func(*World) error), edge int, gen fence.Epoch) {
	i := w.arenaOf(edge, gen)
	a := w.arenas[i]
	cut := func(what string, prod, cons bool) {
		add(Losses, what, edge, func(w *World) error { w.cut(i, prod, cons); return nil })
	}
	if !a.prodCut && !a.consCut {
		cut("a ring of edge %d is lost for both", true, true)
		cut("a ring of edge %d is lost for the producer", true, false)
		cut("a ring of edge %d is lost for the consumer", false, true)
	}
	if n := len(a.frames); a.read < n && !a.frames[n-1].damaged {
		add(0, "the last record in a ring of edge %d is damaged", edge, func(w *World) error {
			a := w.ring(i)
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
	is := w.shape.stages[stage]
	for _, edge := range is.ins {
		if err := w.replace(edge, false); err != nil {
			return err
		}
	}
	if w.m == TakeOneByOne {
		w.procs = append(w.procs, w.newProc(stage)) // one standby won the first edge, and loses the second
	}
	if is.out >= 0 {
		if err := w.replace(is.out, true); err != nil {
			return err
		}
	}
	p := w.newProc(stage)
	if w.m == TakeOneByOne && len(is.ins) > 0 {
		p.ends[0].epoch = 0 // the other standby has that one
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
