package watchstream

import (
	"fmt"
	"reflect"

	"github.com/grafnode/grafnode/api"
)

// History is the reader's end of a watch. It takes the streams of several nodes, one after the other, and gives one history: a
// state, a sync, then changes and bookmarks, in the order of their revisions, nothing twice. When a node can only send its state
// again, the differences to what was told become changes, flagged Resync, at the revision of that state.
//
// In mode latest it keeps a copy of every record that was told. In mode all a node ends the stream instead.
type History struct {
	mode  api.WatchMode
	begun bool // changes may come
	whole bool // everything that there is was told, so that what is missing from a state was deleted

	at     api.Revision            // everything up to here was told: where the next stream begins
	newest api.Revision            // of the last change that was told; the others of that revision may be missing
	recent map[record]api.Revision // changes told above at
	marked api.Revision            // last bookmark or sync that was told
	told   map[record]api.Event    // mode latest: what there is, as it was told

	listing []api.Event // state events of the state that is coming in
	lists   bool        // one is
}

// NewHistory returns the history of a watch that begins as r asks.
func NewHistory(r api.WatchRequest) *History {
	return &History{
		mode: r.Mode, begun: r.From != 0, at: r.From, newest: r.From, marked: r.From,
		recent: map[record]api.Revision{}, told: map[record]api.Event{},
	}
}

// From returns the revision from which the next node's stream shall go on. What was taken in of a state that is not complete
// is forgotten.
func (h *History) From() api.Revision {
	h.listing, h.lists = nil, false
	return h.at
}

// Take takes a node's next event and returns what the reader is to be told. An error wraps api.ErrUnavailable if the node sends
// what it may not, and means that another node is to be asked.
func (h *History) Take(e api.Event) ([]api.Event, error) {
	switch e.Type {
	case api.EventState:
		h.listing, h.lists = append(h.listing, e), true
		return nil, nil
	case api.EventSync:
		return h.sync(e)
	case api.EventChange:
		return h.change(e)
	default:
		return h.bookmark(e)
	}
}

func (h *History) change(e api.Event) ([]api.Event, error) {
	r := recordOf(e)
	switch {
	case h.lists || !h.begun:
		return nil, fmt.Errorf("a change in the midst of a state: %w", api.ErrUnavailable)
	case e.Revision <= h.at || h.recent[r] >= e.Revision:
		return nil, nil // told before
	case e.Revision < h.newest:
		return nil, fmt.Errorf("a change at revision %d after one at %d: %w", e.Revision, h.newest, api.ErrUnavailable)
	}
	if e.Revision > h.newest {
		h.pass(h.newest)
		h.newest = e.Revision
	}
	h.recent[r] = e.Revision
	if h.mode == api.WatchAll {
		return []api.Event{e}, nil
	}
	if _, known := h.told[r]; e.Left && !known && h.whole {
		return nil, nil // came and left while the reader was slow
	}
	h.keep(e)
	return []api.Event{e}, nil
}

// keep notes what the reader knows of a record from now on.
func (h *History) keep(e api.Event) {
	if e.Gone() {
		delete(h.told, recordOf(e))
	} else {
		h.told[recordOf(e)] = e
	}
}

// pass notes that everything up to a revision was told.
func (h *History) pass(at api.Revision) {
	if at > h.at {
		h.at = at
		clear(h.recent)
	}
}

func (h *History) bookmark(e api.Event) ([]api.Event, error) {
	if h.lists || !h.begun {
		return nil, fmt.Errorf("a bookmark in the midst of a state: %w", api.ErrUnavailable)
	}
	if e.Revision < max(h.newest, h.marked) {
		return nil, nil // of a node that has not come as far as the one before: a sign of life, no more
	}
	h.newest = e.Revision
	h.pass(e.Revision)
	h.marked = e.Revision
	return []api.Event{e}, nil
}

// sync ends a state.
func (h *History) sync(e api.Event) ([]api.Event, error) {
	state := h.listing
	h.listing, h.lists = nil, false
	if e.Revision < h.newest {
		return nil, fmt.Errorf("a state of revision %d after a change at %d: %w", e.Revision, h.newest, api.ErrUnavailable)
	}
	out := append(state, e)
	if h.whole {
		if h.mode == api.WatchAll {
			return nil, fmt.Errorf("a state in place of changes after revision %d: %w", h.at, api.ErrGap)
		}
		out = append(h.differences(state, e.Revision), api.Event{Type: api.EventBookmark, Revision: e.Revision, Resync: true})
	} else if h.mode != api.WatchAll {
		clear(h.told)
		for _, s := range state {
			h.keep(s)
		}
	}
	h.begun, h.whole, h.newest, h.marked = true, true, e.Revision, e.Revision
	h.pass(e.Revision)
	return out, nil
}

// differences turns a state into the changes, at its revision, that lead there from what was told.
func (h *History) differences(state []api.Event, at api.Revision) []api.Event {
	var changes []api.Event
	here := map[record]bool{}
	for _, s := range state {
		r := recordOf(s)
		here[r] = true
		if was, known := h.told[r]; known && sameRecord(was, s) {
			continue
		}
		s.Type, s.Revision, s.Resync = api.EventChange, at, true
		h.told[r] = s
		changes = append(changes, s)
	}
	for r, was := range h.told {
		if !here[r] {
			delete(h.told, r)
			changes = append(changes, gone(was, at))
		}
	}
	return changes
}

// gone returns the change that tells of the end of a record, of which nothing but its absence is known. Whether it was deleted
// or has left the filter cannot be told apart.
func gone(was api.Event, at api.Revision) api.Event {
	e := api.Event{Type: api.EventChange, Revision: at, Kind: was.Kind, Node: was.Node, Lease: was.Lease, Session: was.Session,
		Deleted: true, Resync: true}
	if was.Edge != nil {
		edge := *was.Edge
		edge.Deleted = true
		e.Edge = &edge
	}
	return e
}

func sameRecord(a, b api.Event) bool {
	return reflect.DeepEqual(a.Edge, b.Edge) && reflect.DeepEqual(a.Node, b.Node) &&
		reflect.DeepEqual(a.Lease, b.Lease) && reflect.DeepEqual(a.Session, b.Session)
}
