package explore

import (
	"fmt"

	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// lastInput is the end of the input below offset upto.
func lastInput(upto int) position.Position {
	return position.Position{Offset: uint64(upto - 1)}.End()
}

// takeStore is rule 5, in two steps: fence, then read. A stage that neither reads a source nor logs nor is a sink has no store.
func (w *World) takeStore(p *proc) error {
	fenceNow := (p.phase == fresh) != (w.m == ReadBeforeFence)
	p.phase++
	switch {
	case w.isSink(p.stage) && fenceNow:
		w.store.fence = max(w.store.fence, p.ends[0].epoch)
	case w.isSink(p.stage):
		p.done = w.store.pos
		if highest := w.store.pos.Positions(); w.m == OneLane && len(highest) > 0 {
			p.done = position.VectorOf(position.Position{Offset: highest[0].Offset}, position.Position{Lane: 1, Offset: highest[0].Offset})
		}
	case w.isSource(p.stage) && fenceNow:
		w.cursors[p.stage].fence = max(w.cursors[p.stage].fence, p.out().epoch)
	case w.isSource(p.stage):
		p.next = w.cursors[p.stage].upto
	case w.isLogged(p.stage) && fenceNow:
		w.log.fence = max(w.log.fence, p.ends[0].epoch)
	case w.isLogged(p.stage):
		if err := w.sendLogged(p, w.log.outs); err != nil {
			return err
		}
	}
	if p.phase != running {
		return nil
	}
	for k := range p.ends {
		if e := &p.ends[k]; !e.out {
			e.r, e.own = handoff.NewReceiver(p.done, false), true
		}
	}
	for w.isSource(p.stage) && w.b.Shape != Chain && p.next < w.b.Inputs { // when it pushes makes no difference, only when it sends
		if err := w.pushInput(p); err != nil {
			return err
		}
	}
	return nil
}

// storeSteps: push inputs, move the cursor, commit, log.
func (w *World) storeSteps(all []step, i int) []step {
	p := w.procs[i]
	add := func(what string, do func(w *World, p *proc) error) {
		all = append(all, step{who: i, end: -1, what: what, do: func(w *World) error { return do(w, w.procs[i]) }})
	}
	if w.isSource(p.stage) && p.next < w.b.Inputs {
		add("pushes an input", (*World).pushInput)
	}
	if w.isSource(p.stage) && w.trimmable(p) > w.cursors[p.stage].upto {
		add("moves the cursor", (*World).moveCursor)
	}
	if w.isSink(p.stage) && !p.done.Equal(p.ends[0].r.Accepted()) {
		add("commits", (*World).commit)
	}
	if w.isLogged(p.stage) && len(p.batch) > 0 {
		add("logs what it made", (*World).logOutputs)
	}
	return all
}

func (w *World) pushInput(p *proc) error {
	x := p.next
	p.next++
	if w.b.Shape != Chain {
		return p.sender().Push(handoff.Entry{Pos: position.Position{Offset: uint64(x)}, Kind: handoff.Item})
	}
	return w.emit(p, x)
}

// trimmable returns the offset below which a source knows everything to be done.
func (w *World) trimmable(p *proc) int {
	if w.m == CursorOnSend {
		return p.next
	}
	upto := w.cursors[p.stage].upto
	for upto < w.b.Inputs {
		pos := position.Position{Offset: uint64(upto)}
		if w.b.Shape == Chain {
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
	c := &w.cursors[p.stage]
	if p.out().epoch.StaleAgainst(c.fence) && w.m != CursorUnfenced {
		p.phase = dead
		return nil
	}
	c.upto = w.trimmable(p)
	return nil
}

// commit is rule 12.
func (w *World) commit(p *proc) error {
	if epoch := p.ends[0].epoch; epoch.StaleAgainst(w.store.fence) {
		if w.m != CommitUnfenced {
			p.phase = dead
			return nil
		}
		if len(p.batch) > 0 {
			return fmt.Errorf("I7: epoch %d writes after %d", epoch, w.store.fence)
		}
	}
	w.store.effects = append(w.store.effects, p.batch...)
	if w.m == TwoTransactions && len(p.batch) > 0 {
		p.batch = nil // the position follows in a transaction of its own
		return nil
	}
	p.batch, p.done = nil, p.ends[0].r.Accepted()
	w.store.pos = w.store.pos.Max(p.done)
	return nil
}

// logOutputs is rule 11: what was made is durable, under the epoch, before it is sent.
func (w *World) logOutputs(p *proc) error {
	if p.ends[0].epoch.StaleAgainst(w.log.fence) && w.m != LogUnfenced {
		p.phase = dead
		return nil
	}
	w.log.outs = append(w.log.outs, p.batch...)
	made := p.batch
	p.batch = nil
	if w.m == SendUnlogged {
		p.done = doneBy(p.done, made)
		return nil
	}
	return w.sendLogged(p, made)
}

// sendLogged pushes what the log holds.
func (w *World) sendLogged(p *proc, outs []position.Position) error {
	for _, out := range outs {
		if err := p.sender().Push(handoff.Entry{Pos: out, Kind: handoff.Item}); err != nil {
			return err
		}
	}
	p.done = doneBy(p.done, outs)
	return nil
}

// doneBy adds the inputs that outputs were made of.
func doneBy(done position.Vector, outs []position.Position) position.Vector {
	for _, out := range outs {
		done = done.With(position.Position{Lane: out.Lane, Offset: out.Offset})
	}
	return done
}
