package registry

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/grafnode/grafnode/api"
)

// Watch streams the records whose names begin with prefix, from this node's replica.
//
// From zero it begins with a state event for each record, then a sync; then come changes, in the order of their revisions, and
// bookmarks. From another revision it waits until this node has that much, and goes on with the changes after it; the first
// bookmark says that all of them have been sent. When the stream cannot say what happened in between (too many edges were deleted, or
// an older state was restored) it starts over with state events and a sync: what is not among them does not exist.
//
// A slow reader misses intermediate changes of an edge, never the newest, and holds nobody up: there is no queue, the stream is
// read off the state. It ends with an error when ctx ends, when the registry closes, and when this node has had no leader for
// some elections, so that nobody goes on watching a node that is cut off.
func (r *Registry) Watch(ctx context.Context, prefix string, from api.Revision) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		ctx, cancel := r.untilClosed(ctx)
		defer cancel()
		w := watcher{r: r, prefix: prefix, sent: from, anew: from == 0, yield: yield}
		if err := w.run(ctx); err != nil {
			yield(api.Event{}, err)
		}
	}
}

type watcher struct {
	r      *Registry
	prefix string
	sent   api.Revision // everything up to here was sent
	anew   bool         // the reader has nothing that changes could be changes of
	yield  func(api.Event, error) bool
}

// resumeWait is how long a stream waits for its node to reach the revision from which it shall go on.
const resumeWait = 10 * time.Second

// run sends until something ends the stream; nil if the reader has had enough.
func (w *watcher) run(ctx context.Context) error {
	if err := w.begin(ctx); err != nil {
		return err
	}
	tick := time.NewTicker(w.r.cfg.Bookmark)
	defer tick.Stop()
	for resumed := !w.anew; ; resumed = false {
		v := w.r.hub.view.Load()
		if !w.advance(v.state) || resumed && !w.mark(api.EventBookmark) {
			return nil
		}
		select {
		case <-v.newer:
		case <-tick.C:
			if limit := 3 * (w.r.cfg.Heartbeat + w.r.cfg.Election); w.r.silence() > limit {
				return fmt.Errorf("no leader for %v: %w", limit, api.ErrNoQuorum)
			}
			if !w.mark(api.EventBookmark) {
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// begin waits for the revision that the reader has seen already, so that it never sees an older state.
func (w *watcher) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, resumeWait)
	defer cancel()
	return w.r.WaitApplied(ctx, w.sent)
}

// advance sends what s has and the reader has not. False: the reader has had enough.
func (w *watcher) advance(s *State) bool {
	if w.anew || w.sent < s.forgotten || w.sent > s.revision {
		return w.sendAll(s)
	}
	for _, name := range s.by.change.from(ordinal(uint64(w.sent) + 1)) {
		if strings.HasPrefix(name, w.prefix) && !w.send(api.EventChange, s.shown(name)) {
			return false
		}
	}
	w.sent = s.revision
	return true
}

func (w *watcher) sendAll(s *State) bool {
	for record := range s.Edges(w.prefix) {
		if !w.send(api.EventState, record.API(s)) {
			return false
		}
	}
	w.sent, w.anew = s.revision, false
	return w.mark(api.EventSync)
}

func (w *watcher) send(t api.EventType, e api.Edge) bool {
	return w.yield(api.Event{Type: t, Revision: e.Revision, Edge: &e}, nil)
}

// mark sends a sync or a bookmark.
func (w *watcher) mark(t api.EventType) bool {
	return w.yield(api.Event{Type: t, Revision: w.sent}, nil)
}

// shown returns an edge, or what is left of it, as a watch shows it.
func (s *State) shown(name string) api.Edge {
	if r, ok := s.Edge(name); ok {
		return r.API(s)
	}
	t, _ := s.tombstones.get(name) // the index of changes holds records and tombstones only
	return t.API()
}
