package registry

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// Watch streams what q asks for, from this node's replica. What a stream consists of, and what it promises, is said in package
// watchstream; the events are shared and must not be changed.
//
// A resumed stream waits until this node has the revision from which it goes on; its first bookmark says that all changes since
// have been sent. A slow reader holds nobody up: there is no queue, the stream is read off the log of changes, and off the
// state when the log does not reach back far enough. Mode all ends with api.ErrGap instead.
//
// The sequence ends with one error, beside an event that has the revision up to which everything was sent: ctx's cause, api.ErrInvalid,
// api.ErrGap, api.ErrUnavailable if this node has not come as far as q.From, api.ErrNoQuorum when it has had no leader
// for three election timeouts, so that nobody goes on watching a node that is cut off, and ErrClosed.
func (r *Registry) Watch(ctx context.Context, q api.WatchRequest) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		w := watcher{r: r, cursor: watchstream.NewCursor(q), yield: yield}
		if err := w.run(ctx, q); err != nil {
			yield(api.Event{Type: api.EventError, Revision: w.cursor.At()}, err)
		}
	}
}

// resumeWait is how long a stream waits for its node to reach the revision from which it shall go on: less than a client listens
// to a stream that says nothing.
const resumeWait = 5 * time.Second

type watcher struct {
	r      *Registry
	cursor *watchstream.Cursor
	tick   *time.Ticker
	yield  func(api.Event, error) bool
}

// run sends until something ends the stream; nil if the reader has had enough.
func (w *watcher) run(ctx context.Context, q api.WatchRequest) error {
	if err := q.Check(); err != nil {
		return err
	}
	ctx, cancel := w.r.untilClosed(ctx)
	defer cancel()
	if err := w.begin(ctx, q.From); err != nil {
		return err
	}
	bell := w.r.hub.bell
	self := bell.enter(w.cursor.Filter())
	defer bell.leave(self)
	w.tick = time.NewTicker(w.r.cfg.Bookmark)
	defer w.tick.Stop()
	for due := false; ; w.cursor.Skip(bell.quiet(self)) {
		if more, err := w.send(ctx); !more {
			return err
		}
		if due && !w.mark() {
			return nil
		}
		due = false
		select {
		case <-self.wake:
		case <-w.tick.C:
			due = true
		case <-w.r.hub.gone.now():
			return w.r.errCutOff()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin waits for the revision that the reader has seen already, so that it never sees an older state.
func (w *watcher) begin(ctx context.Context, from api.Revision) error {
	select {
	case <-w.r.hub.gone.now():
		return w.r.errCutOff()
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, resumeWait)
	defer cancel()
	return w.r.WaitApplied(ctx, from)
}

// send sends what the reader does not have, and bookmarks in between when they are due. False: the stream ends, with an error or
// because the reader has had enough.
func (w *watcher) send(ctx context.Context) (more bool, err error) {
	for busy := false; ; busy = true {
		events, err := w.cursor.Next(w.r.hub.view.Load().changes)
		if err != nil || len(events) == 0 {
			return err == nil, err
		}
		for _, e := range events {
			if !w.yield(e, nil) {
				return false, nil
			}
		}
		if last := events[len(events)-1].Type; !busy || last == api.EventSync || last == api.EventBookmark {
			continue // mostly that was all, and run looks after the rest; and where the stream is, was just said
		}
		select {
		case <-w.tick.C:
			if !w.mark() {
				return false, nil
			}
		case <-w.r.hub.gone.now():
			return false, w.r.errCutOff()
		case <-ctx.Done():
			return false, context.Cause(ctx)
		default:
		}
	}
}

// mark sends a bookmark, if one may be sent now. False: the reader has had enough.
func (w *watcher) mark() bool {
	e, ok := w.cursor.Bookmark()
	return !ok || w.yield(e, nil)
}

func (r *Registry) errCutOff() error {
	return fmt.Errorf("this node has had no leader for %v: %w", 3*r.cfg.Election, api.ErrNoQuorum)
}
