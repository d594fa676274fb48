package watchstream

import (
	"fmt"
	"iter"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/planted"
)

// State is the registry at a revision. It never changes.
type State interface {
	Revision() api.Revision
	// Select yields the state events of the records of a kind that f matches, by key, beginning with the first key that is not
	// below from.
	Select(f Filter, k api.RecordKind, from string) iter.Seq2[string, api.Event]
}

// batchMax is about how many events Next returns at a time: enough to be cheap, and little to hold for a reader who stalls.
const batchMax = 16

// Cursor is how far one reader's stream has come. It may be copied while it is not used.
type Cursor struct {
	filter Filter
	mode   api.WatchMode
	anew   bool // the reader has nothing that changes could be changes of
	owes   bool // a bookmark is to be sent as soon as all is told: the stream was resumed

	at      api.Revision // everything up to here was sent
	pos     api.Revision // mode latest: changes up to here were looked at, of those up to goal
	goal    api.Revision
	listing *listing
}

// listing is a state on its way to the reader.
type listing struct {
	state  State
	kinds  []api.RecordKind // still to come
	from   string           // first key to come, of the first kind
	resync bool
}

// NewCursor returns the cursor of a stream that begins as r asks.
func NewCursor(r api.WatchRequest) *Cursor {
	c := &Cursor{filter: NewFilter(r), mode: r.Mode, anew: r.From == 0, owes: r.From != 0, at: r.From}
	if planted.MissedEvent && r.From != 0 {
		c.at++
	}
	c.pos = c.at
	return c
}

// Filter returns what the stream is filtered by.
func (c *Cursor) Filter() Filter { return c.filter }

// At returns the revision up to which everything was sent.
func (c *Cursor) At() api.Revision { return c.at }

// Next returns what is to be sent next, given the newest view, and takes it for sent. None: the reader has all there is. The
// error is api.ErrGap, in mode all; then the stream ends.
func (c *Cursor) Next(v View) ([]api.Event, error) {
	switch {
	case c.listing != nil:
	case v.Head == 0:
		return nil, nil // the node is of no cluster yet: what it does not have may well exist
	case c.anew:
		c.list(v.State)
	case c.pos < v.Floor:
		if c.mode == api.WatchAll {
			return nil, fmt.Errorf("revision %d was the last to be sent, what is left begins after %d: %w", c.at, v.Floor, api.ErrGap)
		}
		c.list(v.State)
	case c.pos < v.Head:
		if events := c.advance(v); len(events) > 0 {
			return events, nil
		}
		return c.Next(v) // more was looked at, or all
	case c.owes && c.at <= v.Head:
		c.owes = false
		return []api.Event{{Type: api.EventBookmark, Revision: c.at}}, nil
	default:
		return nil, nil
	}
	return c.more(), nil
}

// Bookmark returns the bookmark that may be sent now, between what Next returned and what it will return; false if none may: in
// the midst of a state, or of a pass, whose changes are ahead of what is complete.
func (c *Cursor) Bookmark() (api.Event, bool) {
	return api.Event{Type: api.EventBookmark, Revision: c.at}, c.listing == nil && !c.anew && !c.owes && c.pos == c.at
}

// Skip tells the cursor that nothing up to a revision concerns it, beyond what was sent.
func (c *Cursor) Skip(to api.Revision) {
	if c.listing == nil && !c.anew && c.pos == c.at && to > c.at {
		c.at, c.pos = to, to
	}
}

// list begins to send a state.
func (c *Cursor) list(s State) {
	c.listing = &listing{state: s, kinds: c.filter.Kinds, resync: !c.anew}
}

// more returns the next of the state, and the sync at its end.
func (c *Cursor) more() []api.Event {
	var events []api.Event
	l := c.listing
	for len(l.kinds) > 0 {
		for key, e := range l.state.Select(c.filter, l.kinds[0], l.from) {
			if len(events) == batchMax {
				l.from = key
				return events
			}
			e.Resync = l.resync
			events = append(events, e)
		}
		l.kinds, l.from = l.kinds[1:], ""
	}
	c.at = l.state.Revision()
	c.pos, c.goal = c.at, c.at
	c.listing, c.anew, c.owes = nil, false, false
	return append(events, api.Event{Type: api.EventSync, Revision: c.at, Resync: l.resync})
}

// advance returns the next changes, whole revisions at a time. In mode latest a pass goes to the head that there was at its
// beginning and leaves out what is overtaken within; only at its end has the reader everything up to a revision.
func (c *Cursor) advance(v View) []api.Event {
	if c.mode == api.WatchAll || c.pos >= c.goal {
		c.goal = v.Head
	}
	var events []api.Event
	for _, ch := range v.After(c.pos) {
		if ch.Revision() > c.goal || len(events) >= batchMax && ch.Revision() > c.pos {
			break
		}
		c.pos = ch.Revision()
		if ch.Concerns(c.filter) && (c.mode == api.WatchAll || !ch.overtaken(c.filter, c.goal)) {
			events = append(events, ch.told(c.filter))
		}
	}
	if rest := v.After(c.pos); len(rest) == 0 || rest[0].Revision() > c.goal {
		c.pos = c.goal
	}
	if c.mode == api.WatchAll || c.pos == c.goal {
		c.at = c.pos
	}
	return events
}
