package explore

import (
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// cutFor reports whether one side's way to a ring is lost.
func (a *arena) cutFor(out bool) bool {
	if out {
		return a.prodCut
	}
	return a.consCut
}

// endSteps lists what may happen to an end's rings, and to what it asks of the registry.
func (w *World) endSteps(all []step, i, k int) []step {
	e := &w.procs[i].ends[k]
	if e.epoch == 0 {
		return all
	}
	feed := func(what string, ev handoff.Event) {
		all = append(all, step{who: i, end: k, what: what, arg: uint64(ev.Ring), event: ev})
	}
	if e.route.Record().Revision < w.recs[e.edge].Revision {
		feed("reads the record", handoff.Event{What: handoff.News, Record: w.recs[e.edge].Record})
	}
	if e.later && w.spares < w.b.Spares {
		feed("may arm again", handoff.Event{What: handoff.ArmAgain})
	}
	all = w.askSteps(all, i, k)
	w.ringSteps(feed, e)
	if w.m == FollowDown && !e.out && e.bound >= 0 {
		all = w.downSteps(all, i, k)
	}
	if e.route.Spare().State != handoff.Empty {
		w.spareSteps(feed, e)
		all = w.alarmSteps(all, i, k)
	}
	return all
}

// askSteps: what is asked is decided, then heard of, unless the answer, or the question, is lost.
func (w *World) askSteps(all []step, i, k int) []step {
	e := &w.procs[i].ends[k]
	add := func(what string, do func(w *World, p *proc, e *end) error) {
		all = append(all, step{who: i, end: k, what: what, do: func(w *World) error { return do(w, w.procs[i], &w.procs[i].ends[k]) }})
	}
	answer := func(w *World, p *proc, e *end, ev handoff.Event) {
		e.ask = ask{}
		w.feed(p, e, ev)
	}
	switch {
	case e.ask.Do == 0:
	case e.ask.done:
		add("hears the answer", func(w *World, p *proc, e *end) error { answer(w, p, e, e.ask.answer); return nil })
		add("hears no answer", func(w *World, p *proc, e *end) error {
			answer(w, p, e, handoff.Event{What: handoff.Unknown})
			return nil
		})
	default:
		add(asks[e.ask.Do], func(w *World, p *proc, e *end) error {
			err := w.decide(e)
			if ev := e.ask.answer; !w.b.Apart || ev.What != handoff.Applied || e.ask.Do == handoff.Read {
				answer(w, p, e, ev)
			}
			return err
		})
		if e.ask.Do == handoff.Arm && w.m == UseUnknownArm && w.spares < w.b.Spares {
			add("takes an arm that is lost as done", func(w *World, p *proc, e *end) error {
				w.spares++
				answer(w, p, e, w.pretend(e.edge, e.route.Record()))
				return nil
			})
		}
	}
	return all
}

// asks name the steps in which something is asked.
var asks = func() (names [handoff.Quit]string) {
	for do := range names {
		names[do] = "asks: " + handoff.Do(do).String()
	}
	return names
}()

// ringSteps: the ring is attached or not, its loss is noticed, the other side does not come.
func (w *World) ringSteps(feed func(string, handoff.Event), e *end) {
	for _, slot := range [...]handoff.Slot{e.route.Ring(), e.route.Spare()} {
		if slot.State == handoff.Empty || slot.State == handoff.Lost {
			continue
		}
		a := w.arenas[w.arenaOf(e.edge, slot.Generation)]
		switch {
		case a.cutFor(e.out):
			what := handoff.Broken
			if w.recs[e.edge].Generation > slot.Generation {
				what = handoff.Ended
			}
			feed("has lost ring %d", handoff.Event{What: what, Ring: slot.Generation})
		case slot.State == handoff.Attaching:
			feed("has opened ring %d", handoff.Event{What: handoff.Opened, Ring: slot.Generation})
		}
		if e.out && a.active && slot.State == handoff.Attached && w.m != WaitForEver {
			feed("waits in vain in ring %d", handoff.Event{What: handoff.Overdue, Ring: slot.Generation})
		}
	}
}

// downSteps is FollowDown.
func (w *World) downSteps(all []step, i, k int) []step {
	e := &w.procs[i].ends[k]
	for to, a := range w.arenas {
		if a.edge == e.edge && a.active && a.cons == e.epoch && !a.consCut && a.gen < w.arenas[e.bound].gen {
			all = append(all, step{who: i, end: k, what: "follows down", do: func(w *World) error {
				w.bind(w.procs[i], &w.procs[i].ends[k], to)
				return nil
			}})
		}
	}
	return all
}

// spareSteps: each side learns what the other says in the spare.
func (w *World) spareSteps(feed func(string, handoff.Event), e *end) {
	slot := e.route.Spare()
	a := w.arenas[w.arenaOf(e.edge, slot.Generation)]
	at := func(what handoff.What) handoff.Event { return handoff.Event{What: what, Ring: slot.Generation} }
	if a.cutFor(e.out) {
		return
	}
	switch {
	case e.out && slot.State == handoff.Attached && a.greeted && w.b.Apart:
		feed("meets the consumer in spare %d", at(handoff.Met))
	case !e.out && slot.State == handoff.Wanted && w.m != WaitForEver && !a.active:
		feed("has wanted spare %d for long", at(handoff.Overdue))
	}
	if w.b.Tells && e.out && (slot.State == handoff.Attaching || slot.State == handoff.Attached) && a.consCut {
		feed("does not meet the consumer in spare %d", at(handoff.Overdue))
	}
	switch {
	case e.out && a.wanted && (slot.State == handoff.Attached || slot.State == handoff.Ready):
		feed("sees that spare %d is wanted", at(handoff.MoveWanted))
	case !e.out && slot.State != handoff.Attaching && slot.State != handoff.Lost && (a.active || w.m == FollowInactive):
		feed("sees spare %d activated", at(handoff.Activated))
	}
}

// alarmSteps: the ring seems lost although it is not, which is no fault but does not help either.
func (w *World) alarmSteps(all []step, i, k int) []step {
	e := &w.procs[i].ends[k]
	slot, ring := e.route.Spare(), e.route.Ring()
	a := w.arenas[w.arenaOf(e.edge, slot.Generation)]
	if a.cutFor(e.out) || ring.State == handoff.Lost {
		return all
	}
	switch {
	case e.out && slot.State == handoff.Attached && w.b.Apart && a.greeted: // it is about to be met
		return all
	case e.out && (slot.State == handoff.Attached && !w.b.Apart || slot.State == handoff.Ready), !e.out && w.b.Alarms && slot.State == handoff.Attached:
		return append(all, step{who: i, end: k, what: "believes its ring %d lost", arg: uint64(ring.Generation), fault: true,
			event: handoff.Event{What: handoff.Broken, Ring: ring.Generation}})
	}
	return all
}

// feed gives an event to an end's route, and does what that says.
func (w *World) feed(p *proc, e *end, ev handoff.Event) {
	if w.m == FenceMover && ev.What == handoff.News && e.out && e.route.Unconfirmed() && ev.Record.Generation > e.route.Ring().Generation {
		p.phase = dead
		return
	}
	queue := []handoff.Event{ev}
	if slot := e.route.Spare(); e.out && ev.What == handoff.Broken && !w.b.Apart && slot.State == handoff.Attached && w.met(e.edge, slot) {
		queue = []handoff.Event{{What: handoff.Met, Ring: slot.Generation}, ev}
	}
	for ; len(queue) > 0; queue = queue[1:] {
		if queue[0].What == handoff.ArmAgain {
			e.later = false
		}
		for _, do := range e.route.Step(queue[0]) {
			switch failed := w.obey(p, e, do); {
			case failed:
				queue = append(queue, handoff.Event{What: handoff.Broken, Ring: do.Ring})
			case do.Do == handoff.Attach && !w.b.Apart && !w.arenas[w.arenaOf(e.edge, do.Ring)].cutFor(e.out):
				queue = append(queue, handoff.Event{What: handoff.Opened, Ring: do.Ring})
			case do.Do == handoff.Read && !w.b.Apart:
				e.ask = ask{}
				queue = append(queue, handoff.Event{What: handoff.Applied, Record: w.recs[e.edge].Record})
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
	a := w.arenas[w.arenaOf(edge, slot.Generation)]
	return (a.greeted || w.m == MoveUnmet) && !a.prodCut
}

// obey does what a route says, and reports whether that has failed.
func (w *World) obey(p *proc, e *end, do handoff.Effect) (failed bool) {
	switch do.Do {
	case handoff.Attach: // a step of its own
	case handoff.Watch:
		w.greet(e, do.Ring)
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
		i := w.arenaOf(e.edge, do.Ring)
		if w.arenas[i].cutFor(e.out) {
			return true
		}
		switch do.Do {
		case handoff.Bind:
			w.bind(p, e, i)
		case handoff.Activate:
			w.ring(i).active = true
		default:
			a := w.ring(i)
			a.wanted, a.resumed, a.resume = true, true, e.r.Accepted()
		}
	default:
		e.ask = ask{Effect: do}
	}
	return false
}

// bind moves an end to a ring: rule 6.
func (w *World) bind(p *proc, e *end, to int) {
	e.bound, e.heard = to, false
	if !e.out {
		a := w.ring(to)
		resume, stable := e.receiver().Bind(a.gen)
		a.base, a.stable = a.read, a.stable.Max(stable)
		if !a.resumed || w.m == ReuseArena {
			a.resumed, a.resume = true, resume
		}
		return
	}
	a, s := w.arenas[to], p.sender()
	was := s.Pushed()
	first := s.Generation() == 0
	s.Bind(a.gen)
	if w.m == SendUnresumed && !first || w.m == MoveUnresumed && a.active {
		e.heard = true
		if err := s.Resume(was); err != nil {
			panic(err)
		}
	}
}

// greet is what a consumer does in a spare that it has opened: it says what is stable, so that the producer sees it there.
func (w *World) greet(e *end, gen fence.Epoch) {
	i := w.arenaOf(e.edge, gen)
	if e.out || w.arenas[i].consCut {
		return
	}
	a := w.ring(i)
	a.greeted, a.stable = true, a.stable.Max(e.r.Stable())
	if w.m == ResumeEarly {
		a.resumed, a.resume = true, e.r.Accepted()
	}
}
