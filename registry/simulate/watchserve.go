package simulate

import (
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// serveFrom begins a stream once the node has come as far as its reader.
func (n *node) serveFrom(st *stream, until time.Duration) {
	switch {
	case n.cutOff():
		st.close(api.ErrNoQuorum)
	case n.state.Revision() < st.sent.Request.From && n.w.now >= until:
		st.close(api.ErrUnavailable)
	case n.state.Revision() < st.sent.Request.From:
		n.after(n.w.between(time.Millisecond, 500*time.Millisecond), "not so far", 0, func() { n.serveFrom(st, until) })
	default:
		st.cursor = watchstream.NewCursor(st.sent.Request)
		n.streams = append(n.streams, st)
		n.tell(st)
		n.bookmarks(st)
	}
}

// cutOff reports whether the node has had no leader for three election timeouts.
func (n *node) cutOff() bool { return !n.leads && n.w.now-n.contact > 3*electionMin }

// wake has the streams look at what is new.
func (n *node) wake() {
	kept := n.streams[:0]
	for _, st := range n.streams {
		if st.broken {
			continue
		}
		kept = append(kept, st)
		if !st.waking {
			st.waking = true
			n.after(n.lag(), "stream", st.watch.stage.who, func() {
				st.waking = false
				n.tell(st)
			})
		}
	}
	n.streams = kept
}

// tell sends what there is, or some of it if the reader is slow.
func (n *node) tell(st *stream) {
	view := n.changes.View(n.state)
	if n.w.chance(500) {
		st.cursor.Skip(quiet(st.cursor, view))
	}
	for !st.broken {
		events, err := st.cursor.Next(view)
		if err != nil {
			st.close(err)
			return
		}
		if len(events) == 0 {
			return
		}
		st.carry(events)
		if n.w.chance(30) && !st.waking {
			st.waking = true
			n.after(n.w.between(100*time.Millisecond, 4*time.Second), "slow reader", st.watch.stage.who, func() {
				st.waking = false
				n.tell(st)
			})
			return
		}
	}
}

// quiet returns up to where nothing concerns a reader, as registry's bell tells its watchers.
func quiet(c *watchstream.Cursor, v watchstream.View) api.Revision {
	if c.At() < v.Floor {
		return c.At()
	}
	for _, change := range v.After(c.At()) {
		if change.Concerns(c.Filter()) {
			return change.Revision() - 1
		}
	}
	return v.Head
}

func (n *node) bookmarks(st *stream) {
	n.after(api.BookmarkEvery, "bookmark", st.watch.stage.who, func() {
		if n.cutOff() {
			st.close(api.ErrNoQuorum)
		}
		if st.broken {
			return
		}
		if e, ok := st.cursor.Bookmark(); ok {
			st.carry([]api.Event{e})
		}
		n.bookmarks(st)
	})
}
