package edge

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// stalledAfter is how long nothing must have been taken of what waits for an edge to be called stalled.
const stalledAfter = 2 * time.Second

// standing says how an edge stands, by what this side's route knows and nothing else.
func standing(r *handoff.Route) api.EdgeState {
	ring := r.Ring()
	switch {
	case ring.State == handoff.Lost && r.Ended():
		return api.StateDetecting
	case ring.State == handoff.Lost:
		return api.StateRelocating
	case ring.State == handoff.Attaching:
		return api.StateRebinding
	case !r.Record().Held:
		return api.StateFilling
	case !r.Settled():
		return api.StateRebinding
	default:
		return api.StateFlowing
	}
}

// taken is how far a side has come.
type taken struct {
	records uint64
	stable  position.Vector
}

// progress sees, from one look to the next, whether something is taken of what waits.
type progress struct {
	waited bool
	was    taken
	since  time.Time
}

// look returns the look since which something has been waiting and nothing was taken; zero: nothing waits. It is late by no more
// than the time since the look before.
func (p *progress) look(now time.Time, waits bool, is taken) time.Time {
	if !waits {
		*p = progress{}
		return time.Time{}
	}
	if !p.waited || is.records != p.was.records || !is.stable.Equal(p.was.stable) {
		*p = progress{true, is, now}
	}
	return p.since
}

// stands puts into a report how the edge stands, once progress was looked at: a ring that is well and brings nothing is stalled.
func (p *progress) stands(r *api.EdgeReport, now time.Time, is taken) {
	since := p.look(now, r.State == api.StateFlowing && r.Retained > 0, is)
	if !since.IsZero() && now.Sub(since) >= stalledAfter {
		r.State, r.Since = api.StateStalled, since
	}
}

// lag times items from their push to their acknowledgement, one at a time: the newest that a look finds unacknowledged. So it costs
// a push nothing, and an acknowledgement a glance. An item that was pushed long before the look is taken for that much younger.
type lag struct {
	on   bool
	pos  position.Position
	at   time.Time
	last time.Duration
}

// look returns how long the item that was timed last took or, if that is more, how long the one that is being timed has waited.
func (l *lag) look(now time.Time, newest position.Position, waits bool) time.Duration {
	took := l.last
	switch {
	case !waits:
		*l = lag{}
	case l.on:
		took = max(took, now.Sub(l.at))
	default:
		l.on, l.pos, l.at = true, newest, now
	}
	return took
}

// acked takes what is acknowledged.
func (l *lag) acked(stable position.Vector) {
	if l.on && stable.Covers(l.pos) {
		l.on, l.last = false, time.Since(l.at)
	}
}
