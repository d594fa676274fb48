package client

import (
	"context"
	"strings"
	"sync"

	"github.com/grafnode/grafnode/api"
)

// news is the client's one watch stream, shared by all who follow an edge. It runs while somebody does, and watches the
// longest prefix that their edges have in common. Each follower has a mailbox for one record, in which the newer
// replaces the older: nobody is ever waited for.
type news struct {
	c *Client

	mu        sync.Mutex
	followers map[*follower]struct{}
	records   map[string]sighting // newest known of every edge under prefix
	prefix    string
	rerun     context.CancelFunc // ends the present stream, for one with another prefix; nil: none runs
	running   bool
}

// sighting is a record, and up to which revision it was the newest.
type sighting struct {
	edge api.Edge
	at   api.Revision
}

type follower struct {
	name string
	box  chan api.Edge // holds the newest record that was not taken yet
}

func newNews(c *Client) *news {
	return &news{c: c, followers: map[*follower]struct{}{}, records: map[string]sighting{}}
}

// Follow sends the edge's newest known record, then each newer one, skipping what a slow reader missed. It survives the
// loss of nodes; records may be late or repeated. The channel is closed when ctx ends or the client is closed.
func (c *Client) Follow(ctx context.Context, name string) <-chan api.Edge {
	n := c.news
	f := &follower{name: name, box: make(chan api.Edge, 1)}
	ctx, cancel := c.until(ctx)
	n.mu.Lock()
	n.followers[f] = struct{}{}
	if known, ok := n.records[name]; ok {
		f.box <- known.edge
	}
	switch {
	case !n.running:
		n.prefix = name
		n.running = n.c.start(n.run)
	case !strings.HasPrefix(name, n.prefix):
		n.prefix = commonPrefix(n.prefix, name)
		if n.rerun != nil {
			n.rerun()
		}
	}
	n.mu.Unlock()
	// Not one of Close's goroutines: it ends with the client's context at the latest, and touches nothing that Close frees.
	context.AfterFunc(ctx, func() { cancel(); n.leave(f) })
	return f.box
}

func (n *news) leave(f *follower) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.followers, f)
	close(f.box)
	if len(n.followers) == 0 && n.rerun != nil {
		n.rerun() // nobody reads: the stream ends
	}
}

// run watches until nobody follows any more.
func (n *news) run() {
	for {
		ctx, prefix, ok := n.begin()
		if !ok {
			return
		}
		if err := n.watch(ctx, prefix); ctx.Err() == nil { // else another prefix, or the end
			n.c.log.Error("watch ended", "prefix", prefix, "err", err)
			_ = new(backoff).sleep(ctx) // begin looks why it ended
		}
	}
}

// begin returns the context and prefix of the next stream, or false if there is to be none.
func (n *news) begin() (context.Context, string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.rerun != nil {
		n.rerun()
	}
	if len(n.followers) == 0 || n.c.ctx.Err() != nil {
		n.rerun, n.running = nil, false
		clear(n.records)
		return nil, "", false
	}
	ctx, cancel := context.WithCancel(n.c.ctx)
	n.rerun = cancel
	return ctx, n.prefix, true
}

// watch delivers one watch's events. Its state brings what was missed while there was none.
func (n *news) watch(ctx context.Context, prefix string) error {
	var state []api.Event
	for e, err := range n.c.Watch(ctx, api.WatchRequest{Prefix: prefix}) {
		if err != nil {
			return err
		}
		switch e.Type {
		case api.EventState:
			state = append(state, e)
		case api.EventSync:
			n.postAll(state, e.Revision)
			state = nil
		case api.EventChange:
			n.mu.Lock()
			n.post(*e.Edge, e.Revision)
			n.mu.Unlock()
		}
	}
	return nil
}

// postAll gives what a state has, and what is missing from it: edges that were deleted while nobody watched.
func (n *news) postAll(state []api.Event, at api.Revision) {
	n.mu.Lock()
	defer n.mu.Unlock()
	here := map[string]bool{}
	for _, e := range state {
		here[e.Edge.Name] = true
		n.post(*e.Edge, at)
	}
	for name, known := range n.records {
		if !here[name] && !known.edge.Deleted && strings.HasPrefix(name, n.prefix) {
			known.edge.Deleted, known.edge.Revision = true, at
			n.post(known.edge, at)
		}
	}
}

// post gives a record to all who follow its edge, unless it is what they have, or a node that lags has sent it. The caller holds
// n.mu. What counts is as of when the record was seen: a restored registry may show an older one.
func (n *news) post(e api.Edge, at api.Revision) {
	known := n.records[e.Name]
	if at < known.at {
		return
	}
	n.records[e.Name] = sighting{e, at}
	if e.Revision == known.edge.Revision && e.Locator == known.edge.Locator && e.Deleted == known.edge.Deleted {
		return
	}
	for f := range n.followers {
		if f.name != e.Name {
			continue
		}
		select {
		case <-f.box: // its reader is slow; only the newest counts
		default:
		}
		f.box <- e // has room: we are the only sender, and hold the lock
	}
}

// commonPrefix returns the longest common prefix of a and b.
func commonPrefix(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[:i]
}
