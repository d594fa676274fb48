package explore

import (
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// outSteps: hear, send.
func (w *World) outSteps(all []step, i, k int) []step {
	p := w.procs[i]
	e := &p.ends[k]
	if e.bound < 0 || w.arenas[e.bound].prodCut {
		return all
	}
	add := func(what string, do func(w *World, p *proc) error) {
		all = append(all, step{who: i, end: k, what: what, do: func(w *World) error { return do(w, w.procs[i]) }})
	}
	a := w.arenas[e.bound]
	if stable := p.s.Stable(); a.resumed && !e.heard || !stable.Max(a.stable).Equal(stable) {
		add("hears the notes", (*World).hear)
	}
	if next, _ := p.s.Next(); next != nil { // which changes nothing: see after
		add("sends", func(w *World, p *proc) error { w.send(p); return nil })
	}
	return all
}

// emit pushes what an input becomes, and its end mark.
func (w *World) emit(p *proc, x int) error {
	for _, pos := range outputs(w.b.Shape, 0, x) {
		if err := p.sender().Push(handoff.Entry{Pos: pos, Kind: handoff.Item}); err != nil {
			return err
		}
	}
	if w.m == NoMarks {
		return nil
	}
	return p.sender().Push(handoff.Entry{Pos: position.Position{Offset: uint64(x)}.End(), Kind: handoff.Mark})
}

func (w *World) hear(p *proc) error {
	e := p.out()
	a := w.arenas[e.bound]
	p.sender().Ack(a.stable)
	if !a.resumed || e.heard {
		return nil
	}
	e.heard = true
	if err := p.sender().Resume(a.resume); err != nil {
		return fmt.Errorf("I4: %w", err)
	}
	if w.m == DropReceived {
		p.sender().Ack(a.resume)
	}
	w.feed(p, e, handoff.Event{What: handoff.Met, Ring: a.gen})
	return nil
}

func (w *World) send(p *proc) {
	next, _ := p.sender().Next()
	a := w.ring(p.out().bound)
	a.frames = append(a.frames, frame{pos: next.Pos, kind: next.Kind})
	sent := next.Pos
	p.sender().Sent()
	if w.m == ForgetSent {
		p.sender().Ack(position.VectorOf(sent))
	}
}

// inSteps: accept, acknowledge.
func (w *World) inSteps(all []step, i, k int) []step {
	p := w.procs[i]
	e := &p.ends[k]
	if e.bound < 0 || w.arenas[e.bound].consCut {
		return all
	}
	a := w.arenas[e.bound]
	if a.read < len(a.frames) {
		outcomes := 1
		if w.isLogged(p.stage) {
			outcomes = verdicts
		}
		for v := range outcomes {
			all = append(all, step{who: i, end: k, what: "accepts (verdict %d)", arg: uint64(v), do: func(w *World) error { return w.accept(w.procs[i], k, v) }})
		}
	}
	if done := w.done(p, e); done.Len() > 0 && !done.Equal(a.stable) {
		all = append(all, step{who: i, end: k, what: "acknowledges", do: func(w *World) error { return w.acknowledge(w.procs[i], k) }})
	}
	return all
}

// accept takes the next record of end k. verdict is what becomes of it where that is not determined.
func (w *World) accept(p *proc, k, verdict int) error {
	e := &p.ends[k]
	a := w.ring(e.bound)
	f := a.frames[a.read]
	if f.damaged && w.m == SkipDamaged {
		f.damaged, f.kind = false, handoff.Mark
	}
	entry := handoff.Entry{Pos: f.pos, Kind: f.kind}
	b := make([]byte, entry.Size())
	entry.Put(b, a.gen, uint64(a.read-a.base+1))
	if f.damaged {
		b[0] ^= 1
	}
	before := e.r.Accepted()
	isNew, err := e.receiver().Accept(b, new(handoff.Entry))
	if errors.Is(err, handoff.ErrDamaged) {
		a.consCut = true // this side leaves the ring, and asks for another
		return nil
	}
	a.read++
	if w.m == AckOnReceipt && w.isSink(p.stage) {
		a.stable = a.stable.Max(e.r.Accepted())
	}
	if !isNew && w.m != AcceptRepeats {
		return nil
	}
	if w.isSink(p.stage) {
		if f.kind == handoff.Item {
			p.batch = append(p.batch, f.pos)
		}
		return w.gapless(p, before, f)
	}
	if last, ok := before.At(0); ok && f.pos.Offset != last.Offset+1 && isNew {
		return fmt.Errorf("I3: stage accepted offset %d after %d", f.pos.Offset, last.Offset)
	}
	return w.work(p, e, f.pos, verdict)
}

// work makes a middle stage's outputs of an input.
func (w *World) work(p *proc, e *end, in position.Position, verdict int) error {
	switch w.b.Shape {
	case Logged:
		out := child(in, verdict)
		p.batch = append(p.batch, out)
		if w.m == SendUnlogged {
			return p.sender().Push(handoff.Entry{Pos: out, Kind: handoff.Item})
		}
		return nil
	case Merged:
		e.inputs = append(e.inputs, in)
		return p.sender().Push(handoff.Entry{Pos: laneOf(e, in), Kind: handoff.Item})
	}
	e.inputs = append(e.inputs, in)
	return w.emit(p, int(in.Offset))
}

// laneOf returns the position of a merge's output: lanes are numbered anew.
func laneOf(e *end, in position.Position) position.Position {
	in.Lane = position.Lane(e.edge)
	return in
}

// gapless is I3 at the sink: between what was accepted before and f lies no item. A sink that is fenced already may be fed
// by a source that is fenced too; what it accepts can have no effect, and is not looked at.
func (w *World) gapless(p *proc, before position.Vector, f frame) error {
	if p.ends[0].epoch.StaleAgainst(w.store.fence) {
		return nil
	}
	for _, want := range w.shape.expected[f.pos.Lane] {
		if w.b.Shape == Logged { // any outcome will do
			last, ok := before.At(0)
			if (!ok || last.Offset < want.Offset) && want.Offset < f.pos.Offset {
				return fmt.Errorf("I3: accepted %v after %v, without %v", f.pos, before, want)
			}
			continue
		}
		if !before.Covers(want) && want.Compare(f.pos) < 0 {
			return fmt.Errorf("I3: accepted %v after %v, without %v", f.pos, before, want)
		}
	}
	return nil
}

// done returns what a process may acknowledge by one of its ends: rule 9.
func (w *World) done(p *proc, e *end) position.Vector {
	if w.isSink(p.stage) || w.isLogged(p.stage) {
		return p.done
	}
	v := e.r.Stable()
	for _, in := range e.inputs {
		out := in.End()
		if w.b.Shape == Merged {
			out = laneOf(e, in)
		}
		if p.s.Stable().Covers(out) {
			v = v.With(in)
		}
	}
	return v
}

func (w *World) acknowledge(p *proc, k int) error {
	e := &p.ends[k]
	for _, pos := range w.done(p, e).Positions() {
		if err := e.receiver().Ack(pos); err != nil {
			return err
		}
	}
	_, stable := e.receiver().Freed()
	a := w.ring(e.bound)
	a.stable = a.stable.Max(stable)
	return nil
}
