package explore

import (
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// end returns one end of a process and the edge that it is of.
func (p *proc) end(out bool) (e *end, edge int) {
	if out {
		return &p.out, p.stage
	}
	return &p.in, p.stage - 1
}

// cut reports whether one side's way to a ring is lost.
func (a *arena) cut(out bool) bool {
	if out {
		return a.prodCut
	}
	return a.consCut
}

// endSteps lists what may happen to an end's rings, and to what it asks of the registry.
func (w *World) endSteps(all *[]step, who string, i int, out bool) {
	e, edge := w.procs[i].end(out)
	if e.epoch == 0 {
		return
	}
	add := func(name string, do func(*World) error) { *all = append(*all, step{name: who + name, who: i, do: do}) }
	feed := func(name string, ev handoff.Event) {
		add(name, func(w *World) error { w.feed(&w.procs[i], out, ev); return nil })
	}
	if e.route.Record().Revision < w.recs[edge].Revision {
		feed(" reads the record", handoff.Event{What: handoff.News, Record: w.recs[edge].Record})
	}
	if e.later && w.spares < w.b.Spares {
		feed(" may arm again", handoff.Event{What: handoff.ArmAgain})
	}
	w.askSteps(add, feed, i, out)
	w.ringSteps(feed, edge, e, out)
	if w.m == FollowDown && !out && e.bound >= 0 {
		w.downSteps(add, i, edge, e)
	}
	if e.route.Spare().State != handoff.Empty {
		w.spareSteps(all, feed, who, i, out)
	}
}

// askSteps: what is asked is decided, then heard of, unless the answer, or the question, is lost.
func (w *World) askSteps(add func(string, func(*World) error), feed func(string, handoff.Event), i int, out bool) {
	e, edge := w.procs[i].end(out)
	answer := func(w *World, ev handoff.Event) {
		p := &w.procs[i]
		e, _ := p.end(out)
		e.ask = ask{}
		w.feed(p, out, ev)
	}
	switch {
	case e.ask.Do == 0:
	case e.ask.done:
		ev := e.ask.answer
		add(" hears: "+ev.What.String(), func(w *World) error { answer(w, ev); return nil })
		add(" hears no answer", func(w *World) error { answer(w, handoff.Event{What: handoff.Unknown}); return nil })
	default:
		ask := func(w *World) (*end, error) {
			e, _ := w.procs[i].end(out)
			return e, w.decide(edge, e)
		}
		add(" asks: "+e.ask.Do.String(), func(w *World) error {
			e, err := ask(w)
			if ev := e.ask.answer; !w.b.Apart || ev.What != handoff.Applied || e.ask.Do == handoff.Read {
				answer(w, ev)
			}
			return err
		})
		if e.ask.Do == handoff.Arm && w.m == UseUnknownArm && w.spares < w.b.Spares {
			add(" takes an arm that is lost as done", func(w *World) error {
				w.spares++
				e, _ := w.procs[i].end(out)
				answer(w, w.pretend(edge, e.route.Record()))
				return nil
			})
		}
	}
}

// ringSteps: the ring is attached or not, its loss is noticed, the other side does not come.
func (w *World) ringSteps(feed func(string, handoff.Event), edge int, e *end, out bool) {
	for _, slot := range []handoff.Slot{e.route.Ring(), e.route.Spare()} {
		if slot.State == handoff.Empty || slot.State == handoff.Lost {
			continue
		}
		a := &w.arenas[w.arenaOf(edge, slot.Generation)]
		switch {
		case a.cut(out):
			what := handoff.Broken
			if w.recs[edge].Generation > slot.Generation {
				what = handoff.Ended
			}
			feed(" has lost ring "+slot.Generation.String(), handoff.Event{What: what, Ring: slot.Generation})
		case slot.State == handoff.Attaching:
			feed(" has opened ring "+slot.Generation.String(), handoff.Event{What: handoff.Opened, Ring: slot.Generation})
		}
		if out && a.active && slot.State == handoff.Attached && w.m != WaitForEver {
			feed(" waits in vain in ring "+slot.Generation.String(), handoff.Event{What: handoff.Overdue, Ring: slot.Generation})
		}
	}
}

// downSteps is FollowDown.
func (w *World) downSteps(add func(string, func(*World) error), i, edge int, e *end) {
	for to, a := range w.arenas {
		if a.edge == edge && a.active && a.cons == e.epoch && !a.consCut && a.gen < w.arenas[e.bound].gen {
			add(" follows down", func(w *World) error { w.bind(&w.procs[i], to, false); return nil })
		}
	}
}

// spareSteps: each side learns what the other says in the spare; and the ring seems lost although it is not, which is no fault but
// does not help either.
func (w *World) spareSteps(all *[]step, feed func(string, handoff.Event), who string, i int, out bool) {
	e, edge := w.procs[i].end(out)
	slot := e.route.Spare()
	a := &w.arenas[w.arenaOf(edge, slot.Generation)]
	at := func(what handoff.What) handoff.Event { return handoff.Event{What: what, Ring: slot.Generation} }
	if a.cut(out) {
		return
	}
	alarm := false
	switch {
	case out && slot.State == handoff.Attached && a.greeted && w.b.Apart:
		feed(" meets the consumer in the spare", at(handoff.Met))
	case out && (slot.State == handoff.Attached && !w.b.Apart || slot.State == handoff.Ready), !out && w.b.Alarms && slot.State == handoff.Attached:
		alarm = true
	case !out && slot.State == handoff.Wanted && w.m != WaitForEver && !a.active:
		feed(" has wanted the spare for long", at(handoff.Overdue))
	}
	if w.b.Tells && out && (slot.State == handoff.Attaching || slot.State == handoff.Attached) && a.consCut {
		feed(" does not meet the consumer in the spare", at(handoff.Overdue))
	}
	switch {
	case out && a.wanted && (slot.State == handoff.Attached || slot.State == handoff.Ready):
		feed(" sees that the spare is wanted", at(handoff.MoveWanted))
	case !out && slot.State != handoff.Attaching && slot.State != handoff.Lost && (a.active || w.m == FollowInactive):
		feed(" sees the spare activated", at(handoff.Activated))
	}
	if ring := e.route.Ring(); alarm && ring.State != handoff.Lost {
		*all = append(*all, step{name: who + " believes its ring lost", who: i, fault: true, do: func(w *World) error {
			w.feed(&w.procs[i], out, handoff.Event{What: handoff.Broken, Ring: ring.Generation})
			return nil
		}})
	}
}

// feed gives an event to an end's route, and does what that says.
func (w *World) feed(p *proc, out bool, ev handoff.Event) {
	e, edge := p.end(out)
	if w.m == FenceMover && ev.What == handoff.News && out && e.route.Unconfirmed() && ev.Record.Generation > e.route.Ring().Generation {
		p.phase = dead
		return
	}
	queue := []handoff.Event{ev}
	if slot := e.route.Spare(); out && ev.What == handoff.Broken && !w.b.Apart && slot.State == handoff.Attached && w.met(edge, slot) {
		queue = []handoff.Event{{What: handoff.Met, Ring: slot.Generation}, ev}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		if queue[0].What == handoff.ArmAgain {
			e.later = false
		}
		for _, do := range e.route.Step(queue[0]) {
			switch failed := w.obey(p, out, do); {
			case failed:
				queue = append(queue, handoff.Event{What: handoff.Broken, Ring: do.Ring})
			case do.Do == handoff.Attach && !w.b.Apart && !w.arenas[w.arenaOf(edge, do.Ring)].cut(out):
				queue = append(queue, handoff.Event{What: handoff.Opened, Ring: do.Ring})
			case do.Do == handoff.Read && !w.b.Apart:
				e.ask = ask{}
				queue = append(queue, handoff.Event{What: handoff.Applied, Record: w.recs[edge].Record})
			case do.Do == handoff.ArmLater && !w.b.Apart && w.spares < w.b.Spares:
				queue = append(queue, handoff.Event{What: handoff.ArmAgain})
			case do.Do == handoff.Want && w.m == ConsumerMoves:
				queue = append(queue, handoff.Event{What: handoff.Activated, Ring: do.Ring})
			}
		}
	}
}

// met reports whether the producer could see the consumer in the spare.
func (w *World) met(edge int, slot handoff.Slot) bool {
	a := &w.arenas[w.arenaOf(edge, slot.Generation)]
	return (a.greeted || w.m == MoveUnmet) && !a.prodCut
}

// obey does what a route says, and reports whether that has failed.
func (w *World) obey(p *proc, out bool, do handoff.Effect) (failed bool) {
	e, edge := p.end(out)
	switch do.Do {
	case handoff.Attach: // a step of its own
	case handoff.Watch:
		w.greet(p, do.Ring, out)
	case handoff.Leave:
		if e.bound >= 0 && w.arenas[e.bound].gen == do.Ring {
			e.bound, e.heard = -1, false
		}
	case handoff.ArmLater:
		e.later = w.b.Apart
	case handoff.Quit:
		p.phase = dead // fenced: terminal for this instance
	case handoff.Bind, handoff.Activate, handoff.Want:
		if do.Do == handoff.Want && w.m == ConsumerMoves {
			return false
		}
		i := w.arenaOf(edge, do.Ring)
		if w.arenas[i].cut(out) {
			return true
		}
		switch do.Do {
		case handoff.Bind:
			w.bind(p, i, out)
		case handoff.Activate:
			w.arenas[i].active = true
		default:
			w.arenas[i].wanted = true
		}
	default:
		e.ask = ask{Effect: do}
	}
	return false
}

// bind moves an end to a ring: rule 6.
func (w *World) bind(p *proc, to int, out bool) {
	e, _ := p.end(out)
	e.bound, e.heard = to, false
	a := &w.arenas[to]
	if !out {
		resume, stable := p.r.Bind(a.gen)
		a.base = a.read
		a.resumed, a.resume, a.stable = true, resume, a.stable.Max(stable)
		return
	}
	was := p.s.Pushed()
	first := p.s.Generation() == 0
	p.s.Bind(a.gen)
	if w.m == SendUnresumed && !first || w.m == MoveUnresumed && a.active {
		e.heard = true
		if err := p.s.Resume(was); err != nil {
			panic(err)
		}
	}
}

// greet is what a consumer does in a spare that it has opened: it says what is stable, so that the producer sees it there.
func (w *World) greet(p *proc, gen fence.Epoch, out bool) {
	if out {
		return
	}
	a := &w.arenas[w.arenaOf(p.stage-1, gen)]
	if a.consCut {
		return
	}
	a.greeted, a.stable = true, a.stable.Max(p.r.Stable())
}
