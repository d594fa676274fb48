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
	"github.com/grafnode/grafnode/handoff"
)

const (
	// recheckEvery bounds how long a side waits for its other side in a ring before it reads the record again: news may be
	// lost, and its own node may be the one that is gone.
	recheckEvery = 2 * time.Second
	// patience is how long a side waits for the other in a spare before it asks for a ring by rule 4. There is no registry on the way
	// of what it waits for.
	patience = time.Second
	// unmetMax is how long a producer waits in a spare that it does not need yet for the consumer, who may have failed to attach and then
	// says so to nobody. It is longer than the spare's node tries.
	unmetMax = 10 * time.Second
	// newsWait is how long a side whose ring says that it was ended waits for the record to say why, before it takes that for a loss:
	// a planned move tells so sooner, and a registry without a leader not at all.
	newsWait = 20 * time.Millisecond
	// ringLasts is how long a ring has to be in use for its loss to be an event by itself. Sooner, and the next ring is not asked
	// for at once: every one is an entry of the registry's log.
	ringLasts = time.Second
)

// ring is either side of one.
type ring interface {
	io.Closer
	Wait(ctx context.Context) error
}

// owner is whose rings a link keeps: a sender or a receiver.
type owner[R ring] interface {
	attach(ctx context.Context, rec api.Edge) (R, error)
	// install puts a ring to use; ctx ends with the cause when the ring is to be left. An error means that this ring will not do.
	install(ctx context.Context, r R, rec api.Edge) error
	// remove takes the ring in use away before it is closed.
	remove()
	// greet is called on a spare that was opened, look after that and each Wait: it says what is new there.
	greet(r R) error
	look(r R) ([]handoff.What, error)
	// say is handoff.Activate or handoff.Want.
	say(r R, do handoff.Do) error
	// fail is told why the role is over, before the rings are let go.
	fail(err error)
}

// link keeps one side of an edge in the rings that the registry and the other side name, for as long as the role is ours. What it does
// about them is decided by a handoff.Route, which is told what happens by step and lost, from any goroutine; what that says is done
// by one goroutine, run, and by those that run starts: one that follows the record, and one for each ring that is being
// attached or watched, and for what is asked of the registry.
type link[R ring] struct {
	cl     Cluster
	name   string
	role   fabric.Role
	claim  *Roles
	events Events
	own    owner[R]

	all   sync.WaitGroup
	work  chan struct{} // there is something in todo; of capacity one
	using *held[R]      // installed; run's own

	changes, spares backoff // of what is asked of the registry, one thing at a time

	ctx  context.Context
	stop context.CancelCauseFunc // ends ctx

	mu      sync.Mutex
	route   handoff.Route
	todo    []handoff.Effect
	newest  api.Edge // latest news of the record
	now     api.Edge // what is said of the ring in use, or the one that will be
	held    map[fence.Epoch]*held[R]
	over    bool // nothing is begun any more
	losses  losses
	rewires rewires
	stands  api.EdgeState // by the last step
	since   time.Time     // of stands
}

// newLink returns a link that ends with ctx.
func newLink[R ring](ctx context.Context, cl Cluster, name string, role fabric.Role, claim *Roles, o options, own owner[R]) *link[R] {
	side := handoff.Producer
	if role == fabric.RoleConsumer {
		side = handoff.Consumer
	}
	l := &link[R]{
		cl: cl, name: name, role: role, claim: claim, events: o.events, own: own, work: make(chan struct{}, 1),
		changes: *newBackoff(), spares: *newBackoff(),
		route: handoff.NewRoute(side, claim.Epoch(name, role), !o.unspared), now: claim.records[name], held: map[fence.Epoch]*held[R]{},
	}
	l.stands, l.since = standing(&l.route), time.Now()
	l.ctx, l.stop = context.WithCancelCause(ctx)
	return l
}

// run does what the route says until ctx ends or the role is lost.
func (l *link[R]) run() {
	ctx := l.ctx
	defer l.all.Wait()
	defer l.leaveAll()
	defer l.stop(nil)
	l.take(l.claim.records[l.name])
	l.all.Go(func() { l.follow(ctx) })
	for {
		select {
		case <-ctx.Done():
			l.own.fail(context.Cause(ctx))
			return
		case <-l.work:
		}
		for ctx.Err() == nil {
			do, ok := l.next()
			if !ok {
				break
			}
			l.obey(ctx, do)
		}
	}
}

func (l *link[R]) next() (do handoff.Effect, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.todo) == 0 {
		return do, false
	}
	do, l.todo = l.todo[0], l.todo[1:]
	return do, true
}

// step tells the route of an event.
func (l *link[R]) step(what handoff.What, ring fence.Epoch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stepLocked(handoff.Event{What: what, Ring: ring})
}

func (l *link[R]) stepLocked(e handoff.Event) {
	was := l.route.Ring()
	for _, do := range l.route.Step(e) {
		if do.Do == handoff.Attach { // not after what is to be done first: to leave a ring takes as long as to copy what is in flight there
			l.attachLocked(do.Ring)
			continue
		}
		l.todo = append(l.todo, do)
	}
	if h := l.held[l.route.Ring().Generation]; h != nil {
		l.now = h.rec
	}
	l.trace(was)
	if stands := standing(&l.route); stands != l.stands {
		l.stands, l.since = stands, time.Now()
	}
	if len(l.todo) > 0 {
		select {
		case l.work <- struct{}{}:
		default: // it is awake already
		}
	}
}

// follow watches the record, and ends the role when the session does.
func (l *link[R]) follow(ctx context.Context) {
	news := l.cl.Follow(ctx, l.name)
	for {
		select {
		case <-l.claim.session.Lost:
			l.stop(fmt.Errorf("edge %s: %s: %w", l.name, l.role, api.ErrSessionLost))
			return
		case rec, open := <-news:
			if !open {
				return
			}
			l.take(rec)
		}
	}
}

// take takes news of the record, which may be old.
func (l *link[R]) take(rec api.Edge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if rec.Revision > l.newest.Revision {
		l.see(rec, handoff.News)
	}
}

// see keeps the newest record and tells the route, unless the role is not ours any more. A later word about a ring that is held may
// be that it has lost its lease.
func (l *link[R]) see(rec api.Edge, what handoff.What) {
	if rec.Revision > l.newest.Revision {
		l.newest = rec
	}
	rec = l.newest
	if err := l.ours(rec); err != nil {
		l.stop(err)
		return
	}
	if h := l.held[rec.Generation]; h != nil && rec.Revision > h.rec.Revision {
		switch rec.Reason {
		case api.ReasonExpired:
			l.lose(h, fabric.ErrLeaseExpired)
		case api.ReasonRevoked:
			l.lose(h, fabric.ErrRevoked)
		}
	}
	l.stepLocked(handoff.Event{What: what, Record: recordOf(rec)})
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

// recordOf is what a Route needs to know of a record.
func recordOf(e api.Edge) handoff.Record {
	r := handoff.Record{
		Revision: uint64(e.Revision), Generation: e.Generation, Producer: e.Producer.Epoch, Consumer: e.Consumer.Epoch,
		Held: !e.Producer.Free() && !e.Consumer.Free(), Deleted: e.Deleted,
	}
	if s := e.Spare; s != nil {
		r.Spare = handoff.Spare{Generation: s.Generation, Producer: s.Producer, Consumer: s.Consumer, Planned: s.Planned}
	}
	return r
}

// lost says that a ring is. Only the first cause counts, and none of a ring that was left.
func (l *link[R]) lost(generation fence.Epoch, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.held[generation]; h != nil {
		l.lose(h, cause)
	}
}

func (l *link[R]) lose(h *held[R], cause error) {
	if h.cause != nil {
		return
	}
	h.cause = cause
	h.leave(cause)
	gen, spare := h.rec.Generation, l.route.Spare().Generation
	if terminal(cause) && gen != spare {
		l.stop(cause)
		return
	}
	what := handoff.Broken
	switch {
	case errors.Is(cause, fabric.ErrTooLarge) && l.held[spare] != nil && gen != spare:
		l.lose(l.held[spare], cause) // it is as small
	case errors.Is(cause, fabric.ErrSealed):
		what = handoff.Ended
	}
	l.stepLocked(handoff.Event{What: what, Ring: gen})
}

// met says that the other side has shown itself in a ring.
func (l *link[R]) met(generation fence.Epoch) { l.step(handoff.Met, generation) }

// record returns the record that is bound or being bound.
func (l *link[R]) record() api.Edge {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}
