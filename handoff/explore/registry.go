package explore

import (
	"fmt"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// grant is a change of an edge's record: rules 1, 2 and 4.
func (w *World) grant(edge int, seen, prod, cons fence.Epoch) error {
	rec := &w.recs[edge]
	gen := rec.top + 1
	switch w.m {
	case BlindChange:
		gen = seen + 1
	case NoReserve:
		gen = rec.Generation + 1
	}
	var spare handoff.Spare
	if rec.Spare != spare && (w.m == SpareSurvives || w.m == ConfirmDown) {
		spare = handoff.Spare{Generation: rec.Spare.Generation, Producer: prod, Consumer: cons}
	}
	rec.Generation, rec.Producer, rec.Consumer, rec.Spare = gen, prod, cons, spare
	return w.granted(edge, gen)
}

// granted makes the arena of a generation that was just granted.
func (w *World) granted(edge int, gen fence.Epoch) error {
	rec := &w.recs[edge]
	for _, a := range w.arenas {
		if a.edge == edge && a.gen >= gen {
			return fmt.Errorf("I1: generation %d of edge %d granted after %d", gen, edge, a.gen)
		}
	}
	w.addArena(arena{edge: edge, gen: gen, prod: rec.Producer, cons: rec.Consumer})
	rec.Revision++
	rec.top = max(rec.top, gen)
	return nil
}

// arm grants a spare (rule 13) if the bounds allow one more.
func (w *World) arm(edge int) (armed bool, err error) {
	if w.spares == w.b.Spares {
		return false, nil
	}
	w.spares++
	rec := &w.recs[edge]
	gen := rec.top + 1
	rec.Spare = handoff.Spare{Generation: gen, Producer: rec.Producer, Consumer: rec.Consumer}
	return true, w.granted(edge, gen)
}

// plan grants a spare that the producer is to move to, in place of the one that there is, whose lease ends.
func (w *World) plan(edge int) error {
	rec := &w.recs[edge]
	if rec.Spare != (handoff.Spare{}) {
		w.cut(w.arenaOf(edge, rec.Spare.Generation), true, true)
	}
	_, err := w.arm(edge)
	rec.Spare.Planned = true
	return err
}

// confirm is rule 15.
func (w *World) confirm(edge int, gen, epoch fence.Epoch, arm bool) (applied bool, err error) {
	rec := &w.recs[edge]
	ok := rec.Spare.Generation == gen && rec.Spare.Producer == rec.Producer && epoch == rec.Producer && gen > rec.Generation
	switch w.m {
	case ConfirmDown:
		ok = rec.Spare.Generation == gen && epoch == rec.Producer
	case BlindConfirm:
		ok = epoch == rec.Producer
	}
	if !ok {
		return false, nil
	}
	if gen < rec.Generation {
		return false, fmt.Errorf("I1: edge %d goes from generation %d back to %d", edge, rec.Generation, gen)
	}
	rec.Generation, rec.Spare = gen, handoff.Spare{}
	rec.Revision++
	if arm {
		_, err = w.arm(edge)
	}
	return true, err
}

// decide applies what an end has asked, or refuses it.
func (w *World) decide(e *end) (err error) {
	edge := e.edge
	rec := &w.recs[edge]
	refused := handoff.Event{What: handoff.Refused}
	answer := handoff.Event{What: handoff.Applied}
	expected := rec.Revision == e.ask.Expect
	switch e.ask.Do {
	case handoff.Read:
	case handoff.Change:
		if !expected && w.m != BlindChange {
			answer = refused
			break
		}
		err = w.grant(edge, e.route.Record().Generation, rec.Producer, rec.Consumer)
	case handoff.Arm:
		if !expected {
			answer = refused
			break
		}
		if armed, failed := w.arm(edge); !armed {
			answer, err = handoff.Event{What: handoff.NoRoom}, failed
		}
	default:
		applied, failed := w.confirm(edge, e.ask.Ring, e.epoch, e.ask.Do == handoff.ConfirmAndArm)
		if err = failed; !applied {
			answer = refused
		}
	}
	if answer.What == handoff.Applied {
		answer.Record = rec.Record
	}
	e.ask.done, e.ask.answer = true, answer
	return err
}

// pretend is what UseUnknownArm makes of an arm that was never applied: the arena is there, the record says nothing.
func (w *World) pretend(edge int, seen handoff.Record) handoff.Event {
	rec := &w.recs[edge]
	gen := rec.top + 1
	w.addArena(arena{edge: edge, gen: gen, prod: rec.Producer, cons: rec.Consumer})
	seen.Revision++
	seen.Spare = handoff.Spare{Generation: gen, Producer: seen.Producer, Consumer: seen.Consumer}
	return handoff.Event{What: handoff.Applied, Record: seen}
}
