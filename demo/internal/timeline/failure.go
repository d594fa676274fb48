package timeline

import (
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/plan"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// Failure is one kill and what came of it. A zero time says that it has not happened.
type Failure struct {
	What   plan.What
	Target string    // the process
	Edge   string    // the edge that suffered; empty for a leader whose loss moved no edge
	Killed time.Time // just before the signal was sent

	Detected     time.Time // somebody noticed: an end of the edge, or the registry; for a leader, a new one was there
	Moved        time.Time // the watch showed a higher generation of the edge
	FirstNewItem time.Time // the first new item went through a ring of a higher generation

	GapFrom, GapTo time.Time // the longest time between two of the store's commits, one of them after the kill

	Rewires []Rewire // of all edges, that were noticed after the kill and before the next; in the order of noticing

	before map[string]fence.Epoch // generation of each edge at the kill
}

// Rewire is how one side of an edge came from one ring to the next.
type Rewire struct {
	Process, Edge string
	Role          fabric.Role
	api.Rewire
}

// rewired puts a rewire to the last kill that came before it was noticed. It is told when it is over, perhaps after the next kill.
func (t *Timeline) rewired(e event.Event) {
	for i := len(t.failures) - 1; i >= 0 && e.Rewire != nil; i-- {
		f := t.failures[i]
		if e.Rewire.Noticed.Before(f.Killed) {
			continue
		}
		f.Rewires = append(f.Rewires, Rewire{e.Process, e.Edge, e.Role, *e.Rewire})
		slices.SortStableFunc(f.Rewires, func(a, b Rewire) int { return a.Noticed.Compare(b.Noticed) })
		return
	}
}

// Recovered reports whether new items go through the edge that suffered, and for a leader whether there is a new one.
func (f *Failure) Recovered() bool {
	flows := !f.FirstNewItem.IsZero()
	if f.leader() {
		return !f.Detected.IsZero() && (f.Edge == "" || flows)
	}
	return flows
}

func (t *Timeline) newFailure(e event.Event) *Failure {
	f := &Failure{What: plan.What(e.What), Target: e.Process, Edge: e.Edge, Killed: e.At, before: map[string]fence.Epoch{}}
	for _, known := range t.edges {
		f.before[known.Name] = known.Generation
	}
	return f
}

// observe takes an event that came after the kill and before the next one.
func (f *Failure) observe(e event.Event) {
	if e.At.Before(f.Killed) {
		return
	}
	if e.Kind == event.Leading && f.leader() && e.Process != "" && e.Process != f.Target {
		first(&f.Detected, e.At)
	}
	generation, known := f.before[e.Edge]
	moved := known && e.Generation > generation
	if f.Edge == "" && moved && (e.Kind == event.Changed || e.Kind == event.Bound) {
		f.Edge = e.Edge
	}
	if e.Edge != f.Edge || f.Edge == "" {
		return
	}
	switch e.Kind {
	case event.Lost:
		f.detected(e.At)
	case event.Changed:
		f.detected(e.At)
		if moved {
			first(&f.Moved, e.At)
		}
	case event.FirstItem:
		if moved && e.Role == fabric.RoleConsumer {
			first(&f.FirstNewItem, e.At)
		}
	}
}

// leader reports whether the kill was of a leader as such: then only an election counts as noticing.
func (f *Failure) leader() bool { return f.What == plan.Leader }

func (f *Failure) detected(at time.Time) {
	if !f.leader() {
		first(&f.Detected, at)
	}
}

// first sets t to at if t is not set or later.
func first(t *time.Time, at time.Time) {
	if t.IsZero() || at.Before(*t) {
		*t = at
	}
}

// Last returns the last kill, without its gap.
func (t *Timeline) Last() (f Failure, ok bool) {
	if len(t.failures) == 0 {
		return Failure{}, false
	}
	return *t.failures[len(t.failures)-1], true
}

// Kills returns how many kills there were.
func (t *Timeline) Kills() int { return len(t.failures) }

// Failures returns the kills so far, in order, with the sink's gap of each.
func (t *Timeline) Failures() []Failure {
	out := make([]Failure, len(t.failures))
	for i, f := range t.failures {
		out[i] = *f
		out[i].Rewires = slices.Clone(f.Rewires)
		var until time.Time
		if i+1 < len(t.failures) {
			until = t.failures[i+1].Killed
		}
		out[i].GapFrom, out[i].GapTo = t.gap(f.Killed, until)
	}
	return out
}

// gap returns the longest stretch between two commits of which the later lies in (from, until]; a zero until is no bound.
func (t *Timeline) gap(from, until time.Time) (start, end time.Time) {
	for i := 1; i < len(t.commits); i++ {
		a, b := t.commits[i-1].at, t.commits[i].at
		if !b.After(from) || (!until.IsZero() && b.After(until)) {
			continue
		}
		if b.Sub(a) > end.Sub(start) {
			start, end = a, b
		}
	}
	return start, end
}
