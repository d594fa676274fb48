package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/integration/history"
	"github.com/grafnode/grafnode/internal/watchcheck"
)

// judgeWatches follows each watcher through all its streams, and compares what it was shown with what there was.
func judgeWatches(h *history.History, ix *index) findings {
	var fs findings
	by := map[int]*watcher{}
	for _, s := range h.Streams {
		w := by[s.Watcher]
		if w == nil {
			w = &watcher{fs: &fs, ix: ix, h: h, number: s.Watcher, has: map[string]api.Revision{}}
			by[s.Watcher] = w
		}
		w.follow(s)
		validate(&fs, s)
	}
	return fs
}

// validate asks the validators of watches for what they can say of one stream without knowing everything that ever was.
func validate(fs *findings, s history.Stream) {
	v := watchcheck.Stream{Name: fmt.Sprintf("of watcher %d on node %d", s.Watcher, s.Node), Request: s.Request()}
	for _, line := range s.Seen {
		v.Add(line.Event, 0)
	}
	for _, check := range []func(*watchcheck.Reference, watchcheck.Stream) error{
		watchcheck.Ordered, watchcheck.Unique, watchcheck.Resumable,
	} {
		if err := check(watchcheck.NewReference(), v); err != nil {
			fs.add("watches", "%v", err)
		}
	}
}

// watcher is what one reader has been told, over all its streams.
type watcher struct {
	fs     *findings
	ix     *index
	h      *history.History
	number int

	has    map[string]api.Revision // newest told of each edge
	synced bool                    // it has the whole state
	mark   api.Revision            // everything up to here was told
}

func (w *watcher) wrong(s history.Stream, format string, args ...any) {
	args = append([]any{w.number, s.Node}, args...)
	w.fs.add("watches", "watcher %d on node %d: "+format, args...)
}

func (w *watcher) follow(s history.Stream) {
	if s.From == 0 {
		w.synced, w.mark, w.has = false, 0, map[string]api.Revision{}
	} else {
		w.mark = s.From
		for name, r := range w.has { // what came after that comes again
			w.has[name] = min(r, s.From)
		}
	}
	var anew map[string]api.Revision // a state that is being told
	last := w.mark
	for _, line := range s.Seen {
		e := line.Event
		if e.Edge == nil && (e.Type == api.EventState || e.Type == api.EventChange) {
			continue // of another kind of record
		}
		switch e.Type {
		case api.EventState:
			if anew == nil {
				anew = map[string]api.Revision{}
			}
			anew[e.Edge.Name] = e.Edge.Revision
		case api.EventSync:
			if e.Revision < w.mark {
				w.wrong(s, "was sent back from revision %d to %d", w.mark, e.Revision)
			}
			w.reset(s, anew, e.Revision)
			anew, last = nil, e.Revision
		case api.EventChange:
			w.change(s, *e.Edge, last)
			last = max(last, e.Edge.Revision)
		case api.EventBookmark:
			if e.Revision < last {
				w.wrong(s, "bookmark %d after revision %d", e.Revision, last)
			}
			last = max(last, e.Revision)
			w.bookmark(s, e.Revision)
		}
	}
}

// reset replaces what the reader has by a whole state.
func (w *watcher) reset(s history.Stream, state map[string]api.Revision, at api.Revision) {
	for name := range w.has {
		if _, there := state[name]; !there && strings.HasPrefix(name, s.Prefix) && !w.ix.deletable(w.h, name) {
			w.wrong(s, "at %d edge %s is gone, which nobody deleted", at, name)
		}
	}
	w.has = state
	if w.has == nil {
		w.has = map[string]api.Revision{}
	}
	w.synced = true
	w.bookmark(s, at)
}

func (w *watcher) change(s history.Stream, e api.Edge, last api.Revision) {
	switch {
	case !strings.HasPrefix(e.Name, s.Prefix):
		w.wrong(s, "edge %s, which it did not ask for", e.Name)
	case e.Revision <= w.mark:
		w.wrong(s, "edge %s at revision %d, after all up to %d had been told", e.Name, e.Revision, w.mark)
	case e.Revision < last:
		w.wrong(s, "edge %s at revision %d after revision %d", e.Name, e.Revision, last)
	case e.Revision <= w.has[e.Name]:
		w.wrong(s, "edge %s at revision %d again, or after %d", e.Name, e.Revision, w.has[e.Name])
	}
	if s.All {
		w.missed(s, e.Name, w.has[e.Name], e.Revision)
	}
	w.has[e.Name] = max(w.has[e.Name], e.Revision)
}

// missed looks for states between two that were told one after the other.
func (w *watcher) missed(s history.Stream, edge string, from, to api.Revision) {
	if !w.synced {
		return
	}
	for _, r := range w.ix.edge(edge).order {
		if from < r && r < to && r > w.mark {
			w.wrong(s, "all changes were asked for, edge %s at revision %d was left out, between %d and %d", edge, r, from, to)
		}
	}
}

// bookmark checks that what was told is complete up to a revision.
func (w *watcher) bookmark(s history.Stream, at api.Revision) {
	w.mark = max(w.mark, at)
	if !w.synced {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.ix.edges)) {
		if !strings.HasPrefix(name, s.Prefix) {
			continue
		}
		newest := w.ix.edges[name].newest(at)
		has, told := w.has[name]
		if newest == 0 || has >= newest || !told && w.ix.deletable(w.h, name) {
			continue
		}
		w.wrong(s, "told that it had all up to %d, it has edge %s at %d, not %d", at, name, has, newest)
	}
}

// newest returns the last revision that the edge is known to have had up to at.
func (tl *timeline) newest(at api.Revision) api.Revision {
	n, _ := slices.BinarySearch(tl.order, at+1)
	if n == 0 {
		return 0
	}
	return tl.order[n-1]
}
