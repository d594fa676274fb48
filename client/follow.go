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
	records   map[string]api.Edge // newest known of every edge under prefix
	prefix    string
	rerun     context.CancelFunc // ends the present stream, for one with another prefix; nil: none runs
	running   bool
}

type follower struct {
	name string
	box  chan api.Edge // holds the newest record that was not taken yet
}

func newNews(c *Client) *news {
	return &news{c: c, followers: map[*follower]struct{}{}, records: map[string]api.Edge{}}
}

// Follow sends the edge's newest known record, then each newer one, skipping what a slow reader missed. It survives the
// loss of nodes; records may be late or repeated. The channel is closed when ctx ends or the client is closed.
func (c *Client) Follow(ctx context.Context, name string) <-chan api.Edge {
	n := c.news
	f := &follower{name: name, box: make(chan api.Edge, 1)}
	ctx, cancel := c.until(ctx)
	n.mu.Lock()
	n.followers[f] = struct{}{}
	if e, ok := n.records[name]; ok {
		f.box <- e
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

// run streams until nobody follows any more.
func (n *news) run() {
	wait := new(backoff)
	for {
		ctx, prefix, ok := n.begin()
		if !ok {
			return
		}
		node := n.c.route.order()[0]
		heard := n.stream(ctx, node, prefix)
		if ctx.Err() != nil {
			continue // another prefix, or the end
		}
		if heard {
			wait.next = 0
		}
		_ = wait.sleep(ctx) // begin looks why it ended
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

// stream delivers one stream's events, and reports whether there were any. It always asks for the state as well: it
// brings what was missed while there was no stream.
func (n *news) stream(ctx context.Context, node *API, prefix string) (heard bool) {
	seen := map[string]bool{}
	for e, err := range node.Watch(ctx, prefix, 0) {
		if err != nil {
			if ctx.Err() == nil {
				n.c.route.report(node, err)
				n.c.log.Warn("watch stream broke", "node", node.Target(), "err", err)
			}
			return heard
		}
		if !heard {
			heard = true
			n.c.route.report(node, nil)
		}
		switch e.Type {
		case api.EventState, api.EventChange:
			seen[e.Edge.Name] = true
			n.post(*e.Edge)
		case api.EventSync:
			n.postGone(seen, e.Revision)
		}
	}
	return heard
}

// post gives a record that is news to all who follow its edge.
func (n *news) post(e api.Edge) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.postLocked(e)
}

func (n *news) postLocked(e api.Edge) {
	if e.Revision <= n.records[e.Name].Revision {
		return
	}
	n.records[e.Name] = e
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

// postGone tells of edges that were deleted while there was no stream: known before, and missing from a state that is newer
// than what is known. A state that is older says nothing, its node may lag.
func (n *news) postGone(seen map[string]bool, at api.Revision) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, e := range n.records {
		if seen[name] || e.Deleted || !strings.HasPrefix(name, n.prefix) || e.Revision >= at {
			continue
		}
		e.Deleted, e.Revision = true, at
		n.postLocked(e)
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
