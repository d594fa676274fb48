package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// Watch streams what q asks for as one continuous history: what is, a sync, then what changes, in the order of revisions and nothing
// twice, with bookmarks in between. It goes on at another node when one fails, is cut off or falls silent. Where no node
// can say what happened meanwhile, because its log was truncated, it was restarted or the registry restored from a snapshot, the
// differences between what was told and what is come as changes, flagged Resync, and a bookmark.
//
// In mode latest a slow loop misses changes of a record that a newer one has overtaken, never the newest; the client keeps a copy of
// every record that it has told, for the differences. In mode all it misses nothing, and the watch ends with api.ErrGap when no
// node has what comes next: whoever wants to go on then, begins again from zero, or in mode latest from the event's Revision.
// A watch that begins at a revision that no node remembers begins with state and sync, flagged Resync.
//
// The sequence ends with exactly one error, beside an event that has the revision up to which everything was told: ctx's cause,
// api.ErrGap, or a refusal that another node would repeat.
func (c *Client) Watch(ctx context.Context, q api.WatchRequest) iter.Seq2[api.Event, error] {
	return func(yield func(api.Event, error) bool) {
		ctx, cancel := c.until(ctx)
		defer cancel()
		w := watch{c: c, q: q, history: watchstream.NewHistory(q), yield: yield, gaps: map[*API]bool{}}
		if err := w.run(ctx); err != nil {
			yield(api.Event{Type: api.EventError, Revision: w.history.From()}, err)
		}
	}
}

// watch is one history under way.
type watch struct {
	c       *Client
	q       api.WatchRequest
	history *watchstream.History
	yield   func(api.Event, error) bool
	gaps    map[*API]bool // nodes that cannot go on from where the history is
	at      api.Revision  // where it was when gaps was begun
}

// steady is how long a stream has to last for its end to be an event by itself: what comes next is not waited for then, since the node
// that was lost may have had a ring, too.
const steady = time.Second

// errEnough ends a watch whose reader has had enough.
var errEnough = errors.New("reader has had enough")

func (w *watch) run(ctx context.Context) error {
	for wait := new(backoff); ; {
		node, began := w.next(), time.Now()
		heard, err := w.stream(ctx, node)
		if errors.Is(err, errEnough) {
			return nil
		}
		w.c.route.report(node, err)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("client: watch: %w", context.Cause(ctx))
		case errors.Is(err, api.ErrGap):
			if w.gap(node) {
				return err
			}
		case !w.elsewhere(err):
			return err
		}
		w.c.log.Debug("watch goes on elsewhere", "node", node.Target(), "err", err)
		if heard {
			wait.next = 0
		}
		if heard && time.Since(began) >= steady {
			continue
		}
		if cause := wait.sleep(ctx); cause != nil {
			return fmt.Errorf("client: watch: %w; last: %w", cause, err)
		}
	}
}

// elsewhere reports whether another node may do better: it may also be that this one is damaged, which is its own affair.
func (w *watch) elsewhere(err error) bool { return elsewhere(err) || errors.Is(err, api.ErrCorrupt) }

// next returns the node to ask: the first that has not said yet that it cannot go on.
func (w *watch) next() *API {
	if from := w.history.From(); from != w.at {
		w.at = from
		clear(w.gaps)
	}
	nodes := w.c.route.order()
	for _, n := range nodes {
		if !w.gaps[n] {
			return n
		}
	}
	return nodes[0]
}

// gap notes that a node cannot go on, and reports whether none can.
func (w *watch) gap(node *API) bool {
	w.next() // forget what was said of another revision
	w.gaps[node] = true
	for _, n := range w.c.route.order() {
		if !w.gaps[n] {
			return false
		}
	}
	return true
}

// stream tells what one node's stream has, and reports whether there was anything.
func (w *watch) stream(ctx context.Context, node *API) (heard bool, err error) {
	q := w.q
	q.From = w.history.From()
	for e, err := range node.Watch(ctx, q) {
		if err != nil {
			return heard, err
		}
		if !heard {
			heard = true
			w.c.route.report(node, nil)
		}
		events, err := w.history.Take(e)
		if err != nil {
			return heard, fmt.Errorf("%s: watch: %w", node.Target(), err)
		}
		for _, e := range events {
			if !w.yield(e, nil) {
				return heard, errEnough
			}
		}
	}
	return heard, nil
}
