package edge

import (
	"context"
	"errors"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/locator"
)

// Another spare is tried armAgainMin after the last one was lost, and ever more seldom up to armAgainMax, which is also how often it is
// tried where there was no room for one.
const (
	armAgainMin = time.Second
	armAgainMax = 30 * time.Second
)

// losses is what a link remembers of the rings that it has lost, for what it asks of the registry then.
type losses struct {
	ring   api.Edge      // the last one, unless the edge has just moved on from it
	cause  error         // why; nil only while none was left
	spare  api.Edge      // the last spare, if it was lost before another was asked for
	why    error         // that was
	calm   bool          // the last ring was in use for long enough: the next one is asked for at once
	noRoom bool          // for a spare, when one was last asked for
	wait   time.Duration // before the next spare is tried
}

// remember is called with mu held, for a ring that is left.
func (l *link[R]) remember(h *held[R], used bool) {
	k := &l.losses
	if h == l.using && time.Since(h.bound) >= ringLasts {
		k.calm, k.wait = true, 0
	}
	switch moved := errors.Is(h.cause, errMoved); {
	case moved && used: // nothing is wrong there; but what was decided before it was known is asked all the same
		k.ring, k.cause = api.Edge{}, h.cause
	case moved:
	case used:
		k.ring, k.cause = h.rec, h.cause
	default:
		k.spare, k.why = h.rec, h.cause
		if time.Since(h.since) >= armAgainMax {
			k.wait = 0
		}
	}
}

// untilArming blocks until another spare may be tried.
func (l *link[R]) untilArming(ctx context.Context) error {
	l.mu.Lock()
	k := &l.losses
	k.wait = min(max(2*k.wait, armAgainMin), armAgainMax)
	wait := k.wait
	if k.noRoom {
		wait = armAgainMax
	}
	l.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// ask asks something of the registry and tells the route what became of it.
func (l *link[R]) ask(ctx context.Context, do handoff.Effect) {
	var rec api.Edge
	var err error
	switch do.Do {
	case handoff.Read:
		rec, err = l.read(ctx)
	case handoff.Change:
		rec, err = l.changeAgain(ctx, api.Revision(do.Expect))
	default:
		rec, err = l.changeSpare(ctx, do)
	}
	switch {
	case ctx.Err() != nil:
	case err == nil:
		l.answer(rec)
	case do.Do == handoff.Arm && errors.Is(err, api.ErrNoRoom):
		l.step(handoff.NoRoom, 0)
	case terminal(err):
		l.stop(err)
	case errors.Is(err, api.ErrUnknown):
		l.step(handoff.Unknown, 0)
	default:
		l.step(handoff.Refused, 0)
	}
}

// answer takes the record that answers what was asked.
func (l *link[R]) answer(rec api.Edge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.see(rec, handoff.Applied)
}

// read reads the record, however long that takes. An edge that was there when it was claimed, and is not there now, was deleted.
func (l *link[R]) read(ctx context.Context) (api.Edge, error) {
	for try := newBackoff(); ; {
		rec, err := l.cl.Edge(ctx, l.name)
		switch {
		case err == nil:
			return rec, nil
		case errors.Is(err, api.ErrNotFound):
			l.mu.Lock()
			defer l.mu.Unlock()
			return api.Edge{Name: l.name, Revision: l.newest.Revision + 1, Deleted: true}, nil
		case terminal(err):
			return rec, err
		}
		if err := try.sleep(ctx); err != nil {
			return rec, err
		}
	}
}

// changeAgain asks for a ring by rule 4 in place of the one that was lost.
func (l *link[R]) changeAgain(ctx context.Context, expect api.Revision) (api.Edge, error) {
	l.mu.Lock()
	if l.losses.why != nil && l.losses.spare.Generation == l.route.Ring().Generation { // it became the ring when it was lost already
		l.losses.ring, l.losses.cause = l.losses.spare, l.losses.why
	}
	lost := l.losses
	l.losses.calm = false
	l.mu.Unlock()
	if lost.calm {
		l.changes = *newBackoff()
	} else if err := l.changes.sleep(ctx); err != nil {
		return api.Edge{}, err
	}
	return l.change(ctx, expect, lost)
}

// change asks for a ring by rule 4, on another node than the lost ones unless the move was planned.
func (l *link[R]) change(ctx context.Context, expect api.Revision, lost losses) (api.Edge, error) {
	change := api.EdgeChange{Name: l.name, Expect: expect}
	switch {
	case errors.Is(lost.cause, errPlanned):
	case errors.Is(lost.cause, fabric.ErrTooLarge): // the other side has asked for smaller rings; the window was made for these
		change.Capacity = l.claim.records[l.name].Capacity
	default:
		change.AvoidNodes = nodes(lost.ring, lost.spare)
	}
	recs, err := l.cl.Change(ctx, api.ChangeRequest{
		Session: l.claim.session.ID, Reason: reasonFor(lost.cause), Detail: lost.cause.Error(), Edges: []api.EdgeChange{change},
	})
	if err != nil {
		return api.Edge{}, err
	}
	return recs[0], nil
}

// changeSpare arms a spare, confirms a move to one, or both.
func (l *link[R]) changeSpare(ctx context.Context, do handoff.Effect) (api.Edge, error) {
	l.mu.Lock()
	lost := l.losses
	l.losses.spare, l.losses.why, l.losses.noRoom = api.Edge{}, nil, false
	l.mu.Unlock()
	r := api.SpareRequest{
		Session: l.claim.session.ID, Name: l.name, Expect: api.Revision(do.Expect), Arm: true, Reason: api.ReasonSpareArmed,
		AvoidNodes: nodes(lost.spare),
	}
	if do.Do != handoff.Arm {
		r.Expect, r.Confirm, r.Arm, r.Reason = 0, do.Ring, do.Do == handoff.ConfirmAndArm, api.ReasonMoved
		r.Detail, r.AvoidNodes = lost.cause.Error(), nodes(lost.ring)
		if errors.Is(lost.cause, errPlanned) { // nothing is wrong there
			r.Reason, r.AvoidNodes = api.ReasonRequested, nil
		}
	}
	rec, err := l.cl.ChangeSpare(ctx, r)
	if do.Do == handoff.Arm && unable(err) {
		err = errors.Join(api.ErrNoRoom, err)
	}
	noRoom := errors.Is(err, api.ErrNoRoom) || err == nil && r.Arm && rec.Spare == nil
	l.mu.Lock()
	l.losses.noRoom = noRoom
	l.mu.Unlock()
	if err != nil && !noRoom {
		_ = l.spares.sleep(ctx) // what comes next is as likely to fail
	} else {
		l.spares = *newBackoff()
	}
	return rec, err
}

// unable reports whether a cluster has no place for spares until its nodes are others: an older version, or one node.
func unable(err error) bool {
	for _, e := range []error{api.ErrInvalid, api.ErrNotFound, fabric.ErrUnsupported} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// nodes returns where rings lay.
func nodes(rings ...api.Edge) (all []locator.NodeID) {
	for _, r := range rings {
		if n := r.Locator.Node; n != "" {
			all = append(all, n)
		}
	}
	return all
}
