package demo

import (
	"context"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/examples/accesslog"
)

// How the nodes are asked. Asking is local and cheap for them.
const (
	statusEvery   = 25 * time.Millisecond
	statusTimeout = time.Second
	watchAgain    = 25 * time.Millisecond
)

// observer follows the cluster from outside, as any program may: by the watch and the status of each node, all at once, so that
// the loss of one delays nothing. What it sees it gives to emit, each thing once.
type observer struct {
	emit  func(event.Event)
	names map[string]string      // of nodes, by address
	apis  map[string]*client.API // by the node's name

	mu     sync.Mutex
	seen   map[string]api.Revision // newest of each edge
	term   uint64                  // in which leader was elected
	leader string
}

// newObserver returns an observer of the nodes.
func newObserver(nodes []node, emit func(event.Event)) (*observer, error) {
	o := &observer{emit: emit, names: map[string]string{}, apis: map[string]*client.API{}, seen: map[string]api.Revision{}}
	for _, n := range nodes {
		a, err := client.NewAPI(n.address, client.APIConfig{Timeout: statusTimeout})
		if err != nil {
			return nil, err
		}
		o.names[n.address], o.apis[n.name] = n.name, a
	}
	return o, nil
}

// run observes until ctx ends.
func (o *observer) run(ctx context.Context) {
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

// followEdges tells every change of the pipeline's edges that no other node told before.
func (o *observer) followEdges(ctx context.Context, a *client.API) {
	for ctx.Err() == nil {
		for e, err := range a.Watch(ctx, api.WatchRequest{Prefix: accesslog.Pipeline + "."}) {
			if err != nil {
				break // the node is away: its neighbours tell
			}
			if e.Edge != nil && !e.Edge.Deleted {
				o.edge(*e.Edge)
			}
		}
		pause(ctx, watchAgain)
	}
}

func (o *observer) edge(e api.Edge) {
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
	o.emit(event.Event{At: time.Now(), Kind: event.Changed, Edge: e.Name, Generation: e.Generation, Node: node,
		Cause: string(e.Reason)})
}

// followStatus tells when a node is ready, again after each time that it was away, and who leads.
func (o *observer) followStatus(ctx context.Context, name string, a *client.API) {
	ready := false
	for ctx.Err() == nil {
		s, err := a.Status(ctx)
		if err == nil && s.Ready && !ready {
			o.emit(event.Event{At: time.Now(), Kind: event.Ready, Process: name})
		}
		ready = err == nil && s.Ready
		o.leads(name, err == nil && s.State == "leader", s.Term)
		pause(ctx, statusEvery)
	}
}

// leads notes whether a node says that it leads, and tells if that changes who does: of several, the one of the highest term.
func (o *observer) leads(name string, says bool, term uint64) {
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
		o.emit(event.Event{At: time.Now(), Kind: event.Leading, Process: leader})
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
