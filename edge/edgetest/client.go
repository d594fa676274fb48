package edgetest

import (
	"context"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Client is one stage process. It implements edge.Cluster.
type Client struct {
	c    *Cluster
	name string

	mu      sync.Mutex
	session lease.SessionID
	sides   map[*side]struct{} // attached
	killed  chan struct{}      // closed when it is dead
	dead    bool
	away    bool // from the registry
	stopped ear  // it runs no further
	home    locator.NodeID
}

var _ edge.Cluster = (*Client)(nil)

// Client adds a process. Processes take turns on the nodes' hosts.
func (c *Cluster) Client(name string) *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &Client{c: c, name: name, sides: map[*side]struct{}{}, killed: make(chan struct{}), home: nodeID(len(c.clients) % c.nodes)}
	c.clients = append(c.clients, p)
	return p
}

// Killed is closed when the process is killed.
func (p *Client) Killed() <-chan struct{} { return p.killed }

// SetReachable says whether this process reaches the registry. Its rings do not need it.
func (p *Client) SetReachable(on bool) {
	p.mu.Lock()
	p.away = !on
	p.mu.Unlock()
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.c.tell()
}

func (p *Client) reachable() error {
	p.mu.Lock()
	away := p.away
	p.mu.Unlock()
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if away || p.c.away {
		return api.Errorf(api.KindNoQuorum, "process %s does not reach the registry", p.name)
	}
	return nil
}

// Kill ends the process as SIGKILL does: its session ends and its rings hear no more of it. What runs in it gets errors.
func (p *Client) Kill() {
	p.EndSession()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.dead = true
		close(p.killed)
	}
	for s := range p.sides {
		s.sever()
	}
}

// EndSession ends the process's session as the end of its lease does. The process lives on as a zombie that can still write
// the rings that it has.
func (p *Client) EndSession() {
	p.mu.Lock()
	id := p.session
	p.mu.Unlock()
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.c.end(id)
}

// LoseRing breaks this process's way to an edge's ring, and nobody else's.
func (p *Client) LoseRing(name string) {
	rec, _ := p.c.Edge(name)
	p.lose(rec.Locator.Arena)
}

// LoseSpare breaks this process's way to an edge's spare, and nobody else's: the spare's node ends it, since it is of no use any more.
func (p *Client) LoseSpare(name string) {
	if rec, _ := p.c.Edge(name); rec.Spare != nil {
		p.lose(rec.Spare.Locator.Arena)
		p.c.mu.Lock()
		defer p.c.mu.Unlock()
		p.c.seal(rec.Spare.Locator)
	}
}

func (p *Client) lose(a locator.ArenaID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sides {
		if s.ring.arena.Config().Arena == a {
			s.sever()
		}
	}
}

// Session implements edge.Cluster.
func (p *Client) Session(ctx context.Context) (edge.Session, error) {
	if err := p.Running(ctx); err != nil {
		return edge.Session{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return edge.Session{}, api.Errorf(api.KindSession, "process %s is dead", p.name)
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if lost, open := p.c.sessions[p.session]; open {
		return edge.Session{ID: p.session, Lost: lost}, nil
	}
	p.session = lease.SessionID(fmt.Sprintf("%s-%s", p.name, lease.NewID()))
	lost := make(chan struct{})
	p.c.sessions[p.session] = lost
	return edge.Session{ID: p.session, Lost: lost}, nil
}

// Edge implements edge.Cluster.
func (p *Client) Edge(ctx context.Context, name string) (api.Edge, error) {
	return carry(ctx, p, false, func() (api.Edge, error) {
		rec, ok := p.c.Edge(name)
		if !ok {
			return api.Edge{}, api.Errorf(api.KindNotFound, "no edge %s", name)
		}
		return rec, nil
	})
}

// Follow implements edge.Cluster.
func (p *Client) Follow(ctx context.Context, name string) <-chan api.Edge {
	out := make(chan api.Edge)
	go func() {
		defer close(out)
		var sent api.Revision
		for {
			p.c.mu.Lock()
			rec, changed := p.c.edges[name], p.c.changed
			p.c.mu.Unlock()
			send, opened := out, p.stopped.opened()
			if rec.Revision <= sent || p.reachable() != nil || opened != nil {
				send = nil
			} else if pause(ctx, p.c.lag()) != nil {
				return
			}
			select {
			case send <- rec:
				sent = rec.Revision
			case <-changed:
			case <-opened:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// Change implements edge.Cluster.
func (p *Client) Change(ctx context.Context, r api.ChangeRequest) ([]api.Edge, error) {
	return carry(ctx, p, true, func() ([]api.Edge, error) { return p.c.change(r) })
}

// ChangeSpare implements edge.Cluster.
func (p *Client) ChangeSpare(ctx context.Context, r api.SpareRequest) (api.Edge, error) {
	return carry(ctx, p, true, func() (api.Edge, error) { return p.c.changeSpare(r) })
}

// Ask carries a write from p to the registry, and its answer back, by the way that changes of records go: for what keeps something else there.
// do may be called when Ask has returned, as late writes are.
func Ask[A any](ctx context.Context, p *Client, do func() (A, error)) (A, error) {
	return carry(ctx, p, true, do)
}

// AttachProducer implements edge.Cluster.
func (p *Client) AttachProducer(ctx context.Context, e api.Edge) (fabric.Producer, error) {
	r, err := p.ring(ctx, e)
	if err != nil {
		return nil, err
	}
	inner, err := r.arena.Producer()
	if err != nil {
		return nil, err
	}
	inner.SetMode(r.mode(fabric.Balanced))
	return &producer{Producer: inner, side: p.attach(r, fabric.RoleProducer), local: p.local()}, nil
}

// AttachConsumer implements edge.Cluster.
func (p *Client) AttachConsumer(ctx context.Context, e api.Edge) (fabric.Consumer, error) {
	r, err := p.ring(ctx, e)
	if err != nil {
		return nil, err
	}
	inner, err := r.arena.Consumer()
	if err != nil {
		return nil, err
	}
	inner.SetMode(r.mode(fabric.Balanced))
	return &consumer{Consumer: inner, side: p.attach(r, fabric.RoleConsumer)}, nil
}

// local reports whether what is attached now is on the ring's host.
func (p *Client) local() bool {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.c.local
}

func (p *Client) ring(ctx context.Context, e api.Edge) (*ring, error) {
	if err := p.Running(ctx); err != nil {
		return nil, err
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	r := p.c.rings[e.Locator.Arena]
	if r == nil || r.cut.Load() || p.c.down[r.node] {
		return nil, fabric.ErrDisconnected
	}
	return r, nil
}

func (p *Client) attach(r *ring, role fabric.Role) *side {
	s := &side{ring: r, holder: p, role: role, broken: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sides[s] = struct{}{}
	if p.dead {
		s.sever()
	}
	return s
}
