package lab

import (
	"context"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

// How the nodes are asked. Asking is local and cheap for them.
const (
	statusEvery   = 25 * time.Millisecond
	statusTimeout = time.Second
	watchAgain    = 25 * time.Millisecond
)

// News is what an Observer tells, from many goroutines. Names are of nodes.
type News struct {
	// Ready: a node serves, and knows a leader; again after each time that it did not.
	Ready func(node string)
	// Leading: another node leads; empty: none does.
	Leading func(node string)
	// Changed: an edge has another record, and its ring lies on the node, whose address it is if it has no name here.
	Changed func(e api.Edge, node string)
}

// Observer follows a cluster from outside, as any program may: by the watch and the status of each node, all at once, so that
// the loss of one delays nothing. What it sees it tells, each thing once.
type Observer struct {
	news   News
	prefix string
	names  map[string]string      // of nodes, by address
	apis   map[string]*client.API // by the node's name

	mu     sync.Mutex
	seen   map[string]api.Revision // newest of each edge
	term   uint64                  // in which leader was elected
	leader string
}

// NewObserver returns an observer of the nodes, and of the edges whose names begin with prefix.
func NewObserver(nodes []Node, prefix string, news News) (*Observer, error) {
	o := &Observer{news: news, prefix: prefix, names: map[string]string{}, apis: map[string]*client.API{}, seen: map[string]api.Revision{}}
	for _, n := range nodes {
		a, err := client.NewAPI(n.Socket, client.APIConfig{Timeout: statusTimeout}) // a node may have a network of its own
		if err != nil {
			return nil, err
		}
		o.names[n.Address], o.apis[n.Name] = n.Name, a
	}
	return o, nil
}

// API returns the API of a node.
func (o *Observer) API(node string) *client.API { return o.apis[node] }

// Run observes until ctx ends.
func (o *Observer) Run(ctx context.Context) {
	var all sync.WaitGroup
	for name, a := range o.apis {
		all.Go(func() { o.followStatus(ctx, name, a) })
		all.Go(func() { o.followEdges(ctx, a) })
	}
	all.Wait()
	for _, a := range o.apis {
		_ = a.Close() // only drops idle connections
	}
}

// followEdges tells every change of the edges that no other node told before.
func (o *Observer) followEdges(ctx context.Context, a *client.API) {
	for ctx.Err() == nil {
		for e, err := range a.Watch(ctx, api.WatchRequest{Prefix: o.prefix}) {
			if err != nil {
				break // the node is away: its neighbours tell
			}
			if e.Edge != nil && !e.Edge.Deleted {
				o.edge(*e.Edge)
			}
		}
		Pause(ctx, watchAgain)
	}
}

func (o *Observer) edge(e api.Edge) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e.Revision <= o.seen[e.Name] {
		return
	}
	o.seen[e.Name] = e.Revision
	node := o.names[e.Locator.Address]
	if node == "" {
		node = e.Locator.Address
	}
	o.news.Changed(e, node)
}

// followStatus tells when a node is ready, again after each time that it was away, and who leads.
func (o *Observer) followStatus(ctx context.Context, name string, a *client.API) {
	ready := false
	for ctx.Err() == nil {
		s, err := a.Status(ctx)
		if err == nil && s.Ready && !ready {
			o.news.Ready(name)
		}
		ready = err == nil && s.Ready
		o.leads(name, err == nil && s.State == "leader", s.Term)
		Pause(ctx, statusEvery)
	}
}

// leads notes whether a node says that it leads, and tells if that changes who does: of several, the one of the highest term.
func (o *Observer) leads(name string, says bool, term uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	leader := o.leader
	switch {
	case says && term >= o.term:
		leader, o.term = name, term
	case !says && leader == name:
		leader = ""
	}
	if leader != o.leader {
		o.leader = leader
		o.news.Leading(leader)
	}
}

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
