package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

// held is a ring that is attached, or about to be: the one in use, or the spare.
type held[R ring] struct {
	rec   api.Edge // with the ring's generation and place
	ctx   context.Context
	leave context.CancelCauseFunc // ends ctx
	spare bool                    // it was attached as one
	since time.Time
	cause error       // why it is lost, if it is
	timer *time.Timer // of Overdue

	ring    R // what follows is run's, once the ring is open
	open    bool
	bound   time.Time
	unwatch func() // ends what watches a spare, and waits for that
}

// attachLocked begins to attach the ring of a generation that the newest record names. Called with mu held.
func (l *link[R]) attachLocked(gen fence.Epoch) {
	if h := l.hold(gen); !l.over {
		l.all.Go(func() { l.attach(h) })
	}
}

// hold begins to hold a ring.
func (l *link[R]) hold(gen fence.Epoch) *held[R] {
	rec, spare := l.newest, false
	if gen != rec.Generation {
		rec, spare = rec.InSpare(), true
		rec.Reason = api.ReasonMoved // should it come to that
	}
	h := &held[R]{rec: rec, spare: spare, since: time.Now(), unwatch: func() {}, timer: time.AfterFunc(time.Hour, func() {})}
	h.ctx, h.leave = context.WithCancelCause(l.ctx)
	l.held[gen] = h
	switch {
	case !spare:
		l.expect(h, recheckEvery)
	case l.role == fabric.RoleProducer:
		l.expect(h, unmetMax)
	}
	return h
}

// expect tells the route after each d that the other side has not come to h, until it has.
func (l *link[R]) expect(h *held[R], d time.Duration) {
	h.timer.Stop()
	gen := h.rec.Generation
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if h.timer != t || l.held[gen] != h || !l.route.Awaits(gen) {
			return
		}
		t.Reset(d)
		l.stepLocked(handoff.Event{What: handoff.Overdue, Ring: gen})
	})
	h.timer = t
}

// obey does what the route says.
func (l *link[R]) obey(ctx context.Context, do handoff.Effect) {
	l.mu.Lock()
	h := l.held[do.Ring]
	l.mu.Unlock()
	switch do.Do {
	case handoff.Leave:
		l.let(h)
	case handoff.Bind:
		l.bind(h)
	case handoff.Watch:
		l.watch(h)
	case handoff.Activate, handoff.Want:
		h.unwatch()
		if err := l.own.say(h.ring, do.Do); err != nil {
			l.lost(do.Ring, err)
		}
		if do.Do == handoff.Want {
			l.watch(h)
			l.await(h)
		}
	case handoff.ArmLater:
		l.all.Go(func() {
			if l.untilArming(ctx) == nil {
				l.step(handoff.ArmAgain, 0)
			}
		})
	case handoff.Quit:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stop(l.ours(l.newest))
	default:
		l.all.Go(func() { l.ask(ctx, do) })
	}
}

// attach opens a ring.
func (l *link[R]) attach(h *held[R]) {
	gen := h.rec.Generation
	r, err := l.own.attach(h.ctx, h.rec)
	if err != nil {
		if h.ctx.Err() == nil {
			l.lost(gen, fmt.Errorf("attach generation %d of edge %s: %w", gen, l.name, err))
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.ring, h.open = r, l.held[gen] == h; !h.open {
		l.all.Go(func() { _ = r.Close() })
		return
	}
	l.stepLocked(handoff.Event{What: handoff.Opened, Ring: gen})
}

// let lets a ring go. Closing may take as long as the ring's node is silent.
func (l *link[R]) let(h *held[R]) {
	gen := h.rec.Generation
	l.mu.Lock()
	delete(l.held, gen)
	used := h == l.using || !h.spare
	switch {
	case h.cause != nil:
	case l.newest.Generation > gen:
		h.cause = errMoved
	case l.route.Ring().Generation > gen:
		h.cause = errSpare
		if s := l.newest.Spare; s != nil && s.Planned && s.Generation == l.route.Ring().Generation {
			h.cause = errPlanned
		}
	default:
		h.cause = errGone
	}
	l.remember(h, used)
	h.leave(h.cause)
	h.timer.Stop()
	open := h.open
	l.mu.Unlock()
	h.unwatch()
	if h == l.using {
		l.using = nil
		l.own.remove()
	}
	if open {
		l.all.Go(func() { _ = h.ring.Close() })
	}
	if used {
		l.events.lost(l.name, l.role, gen, h.cause)
	}
	if errors.Is(h.cause, fabric.ErrSealed) {
		time.AfterFunc(newsWait, func() { l.step(handoff.Overdue, gen) })
	}
}

// leaveAll lets all rings go.
func (l *link[R]) leaveAll() {
	l.mu.Lock()
	cause := context.Cause(l.ctx)
	all := map[*held[R]]bool{} // and whether it is open; one that is not, attach closes
	for _, h := range l.held {
		all[h] = h.open
	}
	clear(l.held)
	l.over = true
	l.mu.Unlock()
	for h, open := range all {
		h.leave(cause)
		h.timer.Stop()
		h.unwatch()
		if h == l.using {
			l.own.remove()
		}
		if open {
			l.all.Go(func() { _ = h.ring.Close() })
		}
	}
}

// bind puts an open ring to use.
func (l *link[R]) bind(h *held[R]) {
	gen := h.rec.Generation
	h.unwatch()
	if err := l.own.install(h.ctx, h.ring, h.rec); err != nil {
		l.lost(gen, err)
		return
	}
	l.using, h.bound = h, time.Now()
	l.await(h)
	l.events.bound(l.name, l.role, gen, h.rec.Locator)
	if h.spare {
		l.events.moved(l.name, l.role, gen)
	}
}

// await gives the other side its time in a ring.
func (l *link[R]) await(h *held[R]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := recheckEvery
	if h.spare {
		d = patience
	}
	l.expect(h, d)
}

// watch listens to what the other side says in a spare until that becomes the ring or is left.
func (l *link[R]) watch(h *held[R]) {
	ctx, cancel := context.WithCancel(h.ctx)
	over := make(chan struct{})
	h.unwatch = func() {
		cancel()
		<-over
		h.unwatch = func() {}
	}
	l.all.Go(func() {
		defer close(over)
		err := l.own.greet(h.ring)
		for {
			var news []handoff.What
			if err == nil {
				news, err = l.own.look(h.ring)
			}
			for _, what := range news {
				l.step(what, h.rec.Generation)
			}
			if err == nil {
				err = h.ring.Wait(ctx)
			}
			if err != nil {
				if ctx.Err() == nil {
					l.lost(h.rec.Generation, err)
				}
				return
			}
		}
	})
}
