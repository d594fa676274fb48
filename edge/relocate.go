package edge

import (
	"context"
	"errors"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

// plannedWait is how long a planned move may take from its arming on. It goes by rule 4 then: the other side may be of a version that
// knows no planned moves, or hang.
const plannedWait = 2 * time.Second

// relocate asks for a planned move and waits until the registry has a newer ring than now. It does not wait for its
// binding.
func (l *link[R]) relocate(ctx context.Context) error {
	first, plan := fence.Epoch(0), true
	for try := newBackoff(); ; {
		rec, err := l.read(ctx)
		if err == nil {
			err = l.ours(rec)
		}
		if first == 0 {
			first = rec.Generation
		}
		switch {
		case err != nil || rec.Generation != first:
		case plan:
			rec, plan, err = l.plan(ctx, rec)
		default:
			rec, err = l.change(ctx, rec.Revision, losses{cause: errPlanned})
		}
		switch {
		case err == nil:
			l.take(rec)
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case terminal(err):
			return err
		}
		if err := try.sleep(ctx); err != nil {
			return err
		}
	}
}

// errUnmoved says that a planned move was armed and did not come about.
var errUnmoved = errors.New("edge: the planned move has not come about in time")

// plan arms a spare to which the edge is to move, and waits until it has. again reports whether it may be tried anew after an error.
func (l *link[R]) plan(ctx context.Context, rec api.Edge) (moved api.Edge, again bool, err error) {
	if rec.Producer.Free() || rec.Consumer.Free() {
		return rec, false, errUnmoved // nobody is there to move
	}
	ctx, cancel := context.WithTimeout(ctx, plannedWait)
	defer cancel()
	armed, err := l.cl.ChangeSpare(ctx, api.SpareRequest{
		Session: l.claim.session.ID, Name: l.name, Expect: rec.Revision, Arm: true, Planned: true, Reason: api.ReasonRequested,
	})
	if err != nil {
		if unable(err) || errors.Is(err, api.ErrNoRoom) {
			return rec, false, errors.Join(errUnmoved, errors.New(err.Error())) // what is terminal of itself is not, here
		}
		return rec, true, err
	}
	l.take(armed)
	news := l.cl.Follow(ctx, l.name)
	for {
		select {
		case now, open := <-news:
			if !open {
				return rec, false, errUnmoved
			}
			if now.Generation > rec.Generation || now.Deleted {
				return now, true, nil
			}
		case <-ctx.Done():
			return rec, false, errUnmoved
		}
	}
}
