package edge

import (
	"errors"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// Between two reports so many rewire times are kept, and so many of the last traces.
const (
	rewiresMax = 64
	tracesMax  = 8
)

// rewires is what a link knows of how it came from ring to ring. Its phases are those of its route: what is traced is what was decided.
type rewires struct {
	on      bool // one is under way
	resumed bool // and has come so far
	ended   bool // the ring said that the edge has moved on: the next record says why
	now     api.Rewire
	traces  []api.Rewire // ended since the last report
	seconds []float64    // of them, see api.EdgeReport
}

// trace notes what a step has done to the ring in use, which was was. Called with mu held.
func (l *link[R]) trace(was handoff.Slot) {
	is := l.route.Ring()
	if is == was || was.Generation.IsZero() {
		return
	}
	t := &l.rewires
	next := is.Generation != was.Generation
	if next || is.State == handoff.Lost {
		l.notice(was.Generation)
	}
	if !t.on {
		return
	}
	since := time.Since(t.now.Noticed)
	if next {
		h := l.held[is.Generation]
		t.now.Generation, t.now.Spare, t.now.Decided = is.Generation, h != nil && h.spare, since
		t.now.Rings++
		if t.ended && l.newest.Generation == is.Generation {
			t.now.Reason, t.ended = l.newest.Reason, false
		}
	}
	if open := is.State == handoff.Attached || is.State == handoff.Ready; open && (next || was.State == handoff.Attaching) {
		t.now.Attached = since
	}
	if is.State == handoff.Ready && was.State != handoff.Ready {
		l.resumedLocked()
	}
}

// notice begins a rewire, unless this ring was but one that was tried.
func (l *link[R]) notice(from fence.Epoch) {
	t := &l.rewires
	if t.on && !t.resumed {
		return
	}
	if t.on {
		t.now.First = -1
		t.end()
	}
	t.on = true
	t.now = api.Rewire{From: from, Reason: api.ReasonMoved, Noticed: time.Now()}
	switch h := l.held[from]; {
	case h != nil && h.cause != nil:
		t.now.Reason, t.now.Cause = reasonFor(h.cause), h.cause.Error()
		t.ended = errors.Is(h.cause, fabric.ErrSealed)
	case l.newest.Generation > from:
		t.now.Reason = l.newest.Reason
	}
}

func (t *rewires) end() {
	if t.traces = append(t.traces, t.now); len(t.traces) > tracesMax {
		t.traces = t.traces[1:]
	}
	*t = rewires{traces: t.traces, seconds: t.seconds}
}

// took keeps a rewire's time.
func (t *rewires) took(d time.Duration) {
	if len(t.seconds) < rewiresMax {
		t.seconds = append(t.seconds, d.Seconds())
	}
}

// resumed notes that a consumer has said in a ring where to go on. A producer's route knows.
func (l *link[R]) resumed(generation fence.Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if generation == l.rewires.now.Generation {
		l.resumedLocked()
	}
}

func (l *link[R]) resumedLocked() {
	t := &l.rewires
	if !t.on || t.resumed {
		return
	}
	t.resumed, t.now.Resumed = true, time.Since(t.now.Noticed)
	if l.role == fabric.RoleProducer {
		t.took(t.now.Resumed)
	}
}

// first notes that the first new item has gone through the ring in use.
func (l *link[R]) first(generation fence.Epoch) {
	l.events.firstItem(l.name, l.role, generation)
	l.mu.Lock()
	t := &l.rewires
	done := t.on && t.resumed && t.now.Generation == generation
	if done {
		t.now.First = time.Since(t.now.Noticed)
		if l.role == fabric.RoleConsumer {
			t.took(t.now.First)
		}
	}
	now := t.now
	if done {
		t.end()
	}
	l.mu.Unlock()
	if done {
		l.events.rewired(l.name, l.role, now)
	}
}

// report adds what is the link's to know, and forgets the traces.
func (l *link[R]) report(r *api.EdgeReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := &l.rewires
	r.State, r.Since = l.stands, l.since
	r.Rewires, r.Traces = t.seconds, t.traces
	t.seconds, t.traces = nil, nil
	// The generation of the spare that this side can move to, or follow to.
	if s := l.route.Spare(); s.State == handoff.Ready || l.role == fabric.RoleConsumer && s.State == handoff.Attached {
		r.Spare = s.Generation
	}
}
