package explore

import (
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// step is something that may happen next. do changes the world that it is given, which is a copy; its error is a violated
// invariant.
type step struct {
	name  string
	who   int // the process that does it, or -1
	fault bool
	do    func(*World) error
}

// steps lists everything that may happen in w.
func (w *World) steps() (all []step) {
	for i, p := range w.procs {
		add := func(name string, do func(*World) error) { all = append(all, step{name: name, who: i, do: do}) }
		who := fmt.Sprintf("process %d (stage %d)", i, p.stage)
		if p.phase == dead {
			continue
		}
		if p.phase != running {
			add(who+" takes its store", func(w *World) error { w.takeStore(&w.procs[i]); return nil })
			continue
		}
		if w.hasIn(p.stage) {
			w.endSteps(&all, who+" in", i, false)
			w.inSteps(who, i, p, add)
		}
		if w.hasOut(p.stage) {
			w.endSteps(&all, who+" out", i, true)
			w.outSteps(who, i, p, add)
		}
	}
	for e := range w.recs {
		if w.b.Plans && w.spares < w.b.Spares {
			all = append(all, step{name: fmt.Sprintf("a move of edge %d is planned", e), who: -1, fault: true, do: func(w *World) error { return w.plan(e) }}) // nothing waits for it
		}
	}
	return append(append(all, w.nodeSteps()...), w.faultSteps()...)
}

// nodeSteps: the node of a spare that one side has left ends it for the other. It may die instead, so that nothing relies on it.
func (w *World) nodeSteps() (all []step) {
	if !w.b.Tells {
		return nil
	}
	for e, rec := range w.recs {
		if rec.Spare == (handoff.Spare{}) {
			continue
		}
		i := w.arenaOf(e, rec.Spare.Generation)
		if a := &w.arenas[i]; a.prodCut == a.consCut {
			continue
		}
		all = append(all, step{name: fmt.Sprintf("the node of edge %d's spare ends it", e), who: -1, do: func(w *World) error {
			w.arenas[i].prodCut, w.arenas[i].consCut = true, true
			return nil
		}})
	}
	return all
}

// takeStore is rule 5, in two steps: fence, then read. A middle stage has no store.
func (w *World) takeStore(p *proc) {
	first := p.phase == fresh
	p.phase++
	fenceNow := first != (w.m == ReadBeforeFence)
	switch {
	case w.isSink(p.stage) && fenceNow:
		w.store.fence = max(w.store.fence, p.in.epoch)
	case w.isSink(p.stage):
		p.done = w.store.pos
	case p.stage == 0 && fenceNow:
		w.cursor.fence = max(w.cursor.fence, p.out.epoch)
	case p.stage == 0:
		p.next = w.cursor.upto
	}
	if p.phase == running && w.hasIn(p.stage) {
		p.r = handoff.NewReceiver(p.done, false)
	}
}

// outSteps: push, hear, send.
func (w *World) outSteps(who string, i int, p proc, add func(string, func(*World) error)) {
	if p.stage == 0 && p.next < w.b.Inputs {
		add(who+" pushes an input", func(w *World) error { return w.pushInput(&w.procs[i]) })
	}
	if p.stage == 0 && w.trimmable(p) > w.cursor.upto {
		add(who+" moves the cursor", func(w *World) error { return w.moveCursor(&w.procs[i]) })
	}
	if p.out.bound < 0 || w.arenas[p.out.bound].prodCut {
		return
	}
	a := w.arenas[p.out.bound]
	if a.resumed && !p.out.heard || !a.stable.Equal(p.s.Stable().Max(a.stable)) || !p.s.Stable().Equal(p.s.Stable().Max(a.stable)) {
		add(who+" hears the notes", func(w *World) error { return w.hear(&w.procs[i]) })
	}
	if next, _ := p.s.Clone().Next(); next != nil {
		add(who+" sends", func(w *World) error { w.send(&w.procs[i]); return nil })
	}
}

func (w *World) pushInput(p *proc) error {
	x := p.next
	p.next++
	if w.b.Stage {
		return p.s.Push(handoff.Entry{Pos: position.Position{Offset: uint64(x)}, Kind: handoff.Item})
	}
	return w.emit(p, x)
}

// emit pushes what an input becomes, and its end mark.
func (w *World) emit(p *proc, x int) error {
	for _, pos := range outputs(x) {
		if err := p.s.Push(handoff.Entry{Pos: pos, Kind: handoff.Item}); err != nil {
			return err
		}
	}
	if w.m == NoMarks {
		return nil
	}
	return p.s.Push(handoff.Entry{Pos: position.Position{Offset: uint64(x)}.End(), Kind: handoff.Mark})
}

// trimmable returns the offset below which the source knows everything to be done.
func (w *World) trimmable(p proc) int {
	if w.m == CursorOnSend {
		return p.next
	}
	upto := w.cursor.upto
	for upto < w.b.Inputs {
		pos := position.Position{Offset: uint64(upto)}
		if !w.b.Stage {
			pos = pos.End()
		}
		if !p.s.Stable().Covers(pos) {
			break
		}
		upto++
	}
	return upto
}

func (w *World) moveCursor(p *proc) error {
	if p.out.epoch.StaleAgainst(w.cursor.fence) && w.m != CursorUnfenced {
		p.phase = dead
		return nil
	}
	w.cursor.upto = w.trimmable(*p)
	return nil
}

func (w *World) hear(p *proc) error {
	a := &w.arenas[p.out.bound]
	p.s.Ack(a.stable)
	if !a.resumed || p.out.heard {
		return nil
	}
	p.out.heard = true
	if err := p.s.Resume(a.resume); err != nil {
		return fmt.Errorf("I4: %w", err)
	}
	if w.m == DropReceived {
		p.s.Ack(a.resume)
	}
	w.feed(p, true, handoff.Event{What: handoff.Met, Ring: a.gen})
	return nil
}

func (w *World) send(p *proc) {
	e, _ := p.s.Next()
	a := &w.arenas[p.out.bound]
	a.frames = append(a.frames, frame{pos: e.Pos, kind: e.Kind})
	sent := e.Pos
	p.s.Sent()
	if w.m == ForgetSent {
		p.s.Ack(position.VectorOf(sent))
	}
}

// inSteps: accept, acknowledge, commit.
func (w *World) inSteps(who string, i int, p proc, add func(string, func(*World) error)) {
	if w.isSink(p.stage) && !p.done.Equal(p.r.Accepted()) {
		add(who+" commits", func(w *World) error { return w.commit(&w.procs[i]) })
	}
	if p.in.bound < 0 || w.arenas[p.in.bound].consCut {
		return
	}
	a := w.arenas[p.in.bound]
	if a.read < len(a.frames) {
		add(who+" accepts", func(w *World) error { return w.accept(&w.procs[i]) })
	}
	if !w.done(p).Equal(a.stable) && w.done(p).Len() > 0 {
		add(who+" acknowledges", func(w *World) error { return w.acknowledge(&w.procs[i]) })
	}
}

func (w *World) accept(p *proc) error {
	a := &w.arenas[p.in.bound]
	f := a.frames[a.read]
	if f.damaged && w.m == SkipDamaged {
		f.damaged, f.kind = false, handoff.Mark
	}
	e := handoff.Entry{Pos: f.pos, Kind: f.kind}
	b := make([]byte, e.Size())
	e.Put(b, a.gen, uint64(a.read-a.base+1))
	if f.damaged {
		b[0] ^= 1
	}
	before := p.r.Accepted()
	isNew, err := p.r.Accept(b, new(handoff.Entry))
	if errors.Is(err, handoff.ErrDamaged) {
		a.consCut = true // this side leaves the ring, and asks for another
		return nil
	}
	a.read++
	if w.m == AckOnReceipt && w.isSink(p.stage) {
		a.stable = a.stable.Max(p.r.Accepted())
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
	p.inputs = append(p.inputs, f.pos)
	if last, ok := before.At(0); ok && f.pos.Offset != last.Offset+1 && isNew {
		return fmt.Errorf("I3: stage accepted offset %d after %d", f.pos.Offset, last.Offset)
	}
	return w.emit(p, int(f.pos.Offset))
}

// gapless is I3 at the sink: between what was accepted before and f lies no item. A sink that is fenced already may be fed
// by a source that is fenced too; what it accepts can have no effect, and is not looked at.
func (w *World) gapless(p *proc, before position.Vector, f frame) error {
	if p.in.epoch.StaleAgainst(w.store.fence) {
		return nil
	}
	for _, want := range w.expected() {
		if !before.Covers(want) && want.Compare(f.pos) < 0 {
			return fmt.Errorf("I3: accepted %v after %v, without %v", f.pos, before, want)
		}
	}
	return nil
}

// done returns what a process may acknowledge: rule 9.
func (w *World) done(p proc) position.Vector {
	if w.isSink(p.stage) {
		return p.done
	}
	v := p.r.Stable()
	for _, in := range p.inputs {
		if p.s.Stable().Covers(in.End()) {
			v = v.With(in)
		}
	}
	return v
}

func (w *World) acknowledge(p *proc) error {
	for _, pos := range w.done(*p).Positions() {
		if err := p.r.Ack(pos); err != nil {
			return err
		}
	}
	_, stable := p.r.Freed()
	a := &w.arenas[p.in.bound]
	a.stable = a.stable.Max(stable)
	return nil
}

// commit is rule 12.
func (w *World) commit(p *proc) error {
	if p.in.epoch.StaleAgainst(w.store.fence) {
		if w.m != CommitUnfenced {
			p.phase = dead
			return nil
		}
		if len(p.batch) > 0 {
			return fmt.Errorf("I7: epoch %d writes after %d", p.in.epoch, w.store.fence)
		}
	}
	w.store.effects = append(w.store.effects, p.batch...)
	if w.m == TwoTransactions && len(p.batch) > 0 {
		p.batch = nil // the position follows in a transaction of its own
		return nil
	}
	p.batch, p.done = nil, p.r.Accepted()
	w.store.pos = w.store.pos.Max(p.done)
	return nil
}
