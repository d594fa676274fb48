package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/locator"
)

// recheckEvery bounds how long a side waits for its other side in a ring before it reads the record again: news may be
// lost, and its own node may be the one that is gone.
const recheckEvery = 2 * time.Second

// ringLasts is how long a ring has to be in use for its loss to be an event by itself. Sooner, and the next ring is not asked
// for at once: every one is an entry of the registry's log.
const ringLasts = time.Second

// link keeps one side of an edge bound to the newest ring that the registry names, for as long as the role is ours. It
// owns one goroutine, run, and the follower that run starts. R is the side of a ring.
type link[R io.Closer] struct {
	cl     Cluster
	name   string
	role   fabric.Role
	claim  *Roles
	events Events

	attach func(context.Context, api.Edge) (R, error)
	// install hands a freshly attached ring to the owner; ctx ends with the cause when the ring is to be left. An error
	// means that this ring will not do.
	install func(ctx context.Context, ring R, rec api.Edge) error
	// remove takes the ring away from the owner before it is closed.
	remove func()

	mu      sync.Mutex
	newest  api.Edge                // latest news of the record
	rec     api.Edge                // bound, or being attached
	leave   context.CancelCauseFunc // ends the context of that ring
	settled bool                    // the other side has shown itself in it
}

// run binds ring after ring until ctx ends or the role is lost, and returns why.
func (l *link[R]) run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var followers sync.WaitGroup
	defer followers.Wait()
	defer stop(nil)
	followers.Go(func() { l.follow(ctx, stop) })

	rec, try := l.claim.records[l.name], newBackoff()
	for {
		began := time.Now()
		cause := l.bind(ctx, rec)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if terminal(cause) {
			return cause
		}
		l.events.lost(l.name, l.role, rec.Generation, cause)
		if time.Since(began) >= ringLasts {
			try = newBackoff()
		} else if !errors.Is(cause, errMoved) {
			if err := try.sleep(ctx); err != nil {
				return err
			}
		}
		next, err := l.successor(ctx, rec, cause)
		if err != nil {
			return err
		}
		rec = next
	}
}

// bind attaches rec's ring, gives it to the owner, and returns why it must be left again.
func (l *link[R]) bind(ctx context.Context, rec api.Edge) error {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	l.mu.Lock()
	l.rec, l.leave, l.settled = rec, leave, false
	l.compare() // news may have come first
	l.mu.Unlock()
	ring, err := l.attach(ctx, rec)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("attach generation %d of edge %s: %w", rec.Generation, l.name, err)
	}
	defer ring.Close()
	if err := l.install(ctx, ring, rec); err != nil {
		return err
	}
	defer l.remove()
	l.events.bound(l.name, l.role, rec.Generation, rec.Locator)
	<-ctx.Done()
	return context.Cause(ctx)
}

// follow watches the record and makes bind leave a ring that is no longer the one; it ends run when the role is lost.
func (l *link[R]) follow(ctx context.Context, stop context.CancelCauseFunc) {
	news := l.cl.Follow(ctx, l.name)
	recheck := time.NewTicker(recheckEvery)
	defer recheck.Stop()
	for {
		var rec api.Edge
		select {
		case <-l.claim.session.Lost:
			stop(fmt.Errorf("edge %s: %s: %w", l.name, l.role, api.ErrSessionLost))
			return
		case now, open := <-news:
			if !open {
				return
			}
			rec = now
		case <-recheck.C:
			if l.isSettled() {
				continue
			}
			now, err := l.recheck(ctx)
			if err != nil {
				continue // the next tick asks again
			}
			rec = now
		}
		l.judge(rec, stop)
	}
}

// recheck reads the record, for so long that news and the session's end are not missed meanwhile.
func (l *link[R]) recheck(ctx context.Context) (api.Edge, error) {
	ctx, cancel := context.WithTimeout(ctx, recheckEvery)
	defer cancel()
	return l.cl.Edge(ctx, l.name)
}

// judge takes news of the record, which may be old.
func (l *link[R]) judge(rec api.Edge, stop context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rec.Revision <= l.newest.Revision {
		return
	}
	l.newest = rec
	if err := l.ours(rec); err != nil {
		stop(err)
		return
	}
	l.compare()
}

// compare leaves the bound ring if the news says so: a higher generation, or a later word about the bound one.
func (l *link[R]) compare() {
	switch {
	case l.leave == nil || l.newest.Revision <= l.rec.Revision || l.newest.Generation < l.rec.Generation:
	case l.newest.Generation > l.rec.Generation:
		l.leave(errMoved)
	case l.newest.Reason == api.ReasonExpired:
		l.leave(fabric.ErrLeaseExpired)
	case l.newest.Reason == api.ReasonRevoked:
		l.leave(fabric.ErrRevoked)
	}
}

// ours reports why the role is no longer ours in rec, if so.
func (l *link[R]) ours(rec api.Edge) error {
	side, epoch := sideOf(rec, l.role), l.claim.Epoch(l.name, l.role)
	switch {
	case rec.Deleted:
		return fmt.Errorf("edge %s was deleted: %w", l.name, fence.ErrFenced)
	case epoch.StaleAgainst(side.Epoch):
		return fmt.Errorf("edge %s: %s of epoch %d was replaced under epoch %d: %w", l.name, l.role, epoch, side.Epoch, fence.ErrFenced)
	case side.Session != l.claim.session.ID:
		return fmt.Errorf("edge %s: %s of epoch %d: %w", l.name, l.role, epoch, api.ErrSessionLost)
	}
	return nil
}

// successor returns the record of a ring of a higher generation than lost's: the one that the registry names already, or
// else one that it asks for. It retries until there is one, the role is lost, or ctx ends.
func (l *link[R]) successor(ctx context.Context, lost api.Edge, cause error) (api.Edge, error) {
	for try := newBackoff(); ; {
		rec, err := l.succeed(ctx, lost, cause)
		switch {
		case err == nil:
			return rec, nil
		case ctx.Err() != nil:
			return api.Edge{}, context.Cause(ctx)
		case terminal(err):
			return api.Edge{}, err
		}
		if err := try.sleep(ctx); err != nil {
			return api.Edge{}, err
		}
	}
}

func (l *link[R]) succeed(ctx context.Context, lost api.Edge, cause error) (api.Edge, error) {
	rec, err := l.cl.Edge(ctx, l.name)
	if errors.Is(err, api.ErrNotFound) { // it was there when it was claimed
		rec.Deleted = true
	} else if err != nil {
		return api.Edge{}, err
	}
	if err := l.ours(rec); err != nil {
		return api.Edge{}, err
	}
	if rec.Generation > lost.Generation {
		return rec, nil
	}
	change := api.EdgeChange{Name: l.name, Expect: rec.Revision}
	switch {
	case errors.Is(cause, errPlanned):
	case errors.Is(cause, fabric.ErrTooLarge): // the other side has asked for smaller rings; the window was made for these
		change.Capacity = l.claim.records[l.name].Capacity
	default:
		change.AvoidNodes = []locator.NodeID{lost.Locator.Node}
	}
	recs, err := l.cl.Change(ctx, api.ChangeRequest{
		Session: l.claim.session.ID, Reason: reasonFor(cause), Detail: cause.Error(), Edges: []api.EdgeChange{change},
	})
	if err != nil {
		return api.Edge{}, err
	}
	return recs[0], l.ours(recs[0])
}

// lost makes run leave the bound ring. Only the first cause counts, and none that comes from another ring's context.
func (l *link[R]) lost(generation fence.Epoch, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leave != nil && l.rec.Generation == generation {
		l.leave(cause)
	}
}

// settle says that the other side has shown itself in the bound ring.
func (l *link[R]) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settled = true
}

func (l *link[R]) isSettled() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.settled
}

// record returns the record that is bound or being bound.
func (l *link[R]) record() api.Edge {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rec
}

// relocate asks for a planned move and waits until the registry has a newer ring than now. It does not wait for its
// binding.
func (l *link[R]) relocate(ctx context.Context) error {
	now, err := l.cl.Edge(ctx, l.name)
	if err == nil {
		_, err = l.successor(ctx, now, errPlanned)
	}
	return err
}
