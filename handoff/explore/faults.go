package explore

import (
	"fmt"
)

// faultSteps lists what may fail: a ring lost for both sides or for one, a record damaged, a process replaced (the old one
// lives on), a relocation by a third party.
func (w *World) faultSteps() (all []step) {
	if w.faults >= w.b.Faults {
		return nil
	}
	add := func(name string, do func(*World) error) {
		all = append(all, step{name: "FAULT " + name, fault: true, do: func(w *World) error { w.faults++; return do(w) }})
	}
	for e, rec := range w.recs {
		a := w.arenas[rec.arena]
		cut := func(name string, prod, cons bool) {
			add(fmt.Sprintf("ring %d of edge %d is lost for %s", a.gen, e, name), func(w *World) error {
				a := &w.arenas[w.recs[e].arena]
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
			add(fmt.Sprintf("record %d in ring %d of edge %d is damaged", n, a.gen, e), func(w *World) error {
				a := &w.arenas[w.recs[e].arena]
				a.frames[len(a.frames)-1].damaged = true
				return nil
			})
		}
		add(fmt.Sprintf("a third party relocates edge %d", e), func(w *World) error {
			return w.grant(e, w.recs[e].gen, w.recs[e].prod, w.recs[e].cons)
		})
	}
	for stage := range len(w.recs) + 1 {
		if w.instances(stage) < 2 {
			add(fmt.Sprintf("stage %d is taken over", stage), func(w *World) error { return w.takeover(stage) })
		}
	}
	return all
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
	prod, cons := rec.prod, rec.cons
	epoch := rec.top + 1
	if producer {
		prod = epoch
	} else {
		cons = epoch
	}
	if w.m == ReuseArena && !producer {
		rec.rev, rec.cons, rec.top = rec.rev+1, cons, epoch
		return nil
	}
	return w.grant(edge, rec.gen, prod, cons)
}
