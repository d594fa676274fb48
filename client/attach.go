package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// AttachProducer opens this session's producing side of the ring that e names: in shared memory if the ring lies on the own
// node, else over TCP, or past its connection by RDMA. In shared memory it blocks until the other side has attached too. An error for which fabric.Lost
// reports true means that this ring will never do; any other is api.ErrSessionLost or ctx's cause.
func (c *Client) AttachProducer(ctx context.Context, e api.Edge) (fabric.Producer, error) {
	if s, l := c.shares(e); s != nil {
		return attachShared(ctx, s, l, e, fabric.RoleProducer, shm.OpenProducer, func(p *shm.Producer, free func()) fabric.Producer {
			return &producer{p, free}
		})
	}
	a, err := c.remote(e)
	if err != nil {
		return nil, err
	}
	a.Direct = c.direct(e)
	p, err := tcp.DialProducer(ctx, a)
	if err != nil {
		return nil, err // not p: a nil *tcp.Producer is no nil fabric.Producer
	}
	return p, nil
}

// AttachConsumer opens the consuming side. See AttachProducer.
func (c *Client) AttachConsumer(ctx context.Context, e api.Edge) (fabric.Consumer, error) {
	if s, l := c.shares(e); s != nil {
		return attachShared(ctx, s, l, e, fabric.RoleConsumer, shm.OpenConsumer, func(p *shm.Consumer, free func()) fabric.Consumer {
			return &consumer{p, free}
		})
	}
	a, err := c.remote(e)
	if err != nil {
		return nil, err
	}
	p, err := tcp.DialConsumer(ctx, a)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// producer and consumer are sides in shared memory whose closing the node is told of.
type producer struct {
	*shm.Producer
	free func()
}

// Close detaches.
func (p *producer) Close() error {
	err := p.Producer.Close()
	p.free()
	return err
}

type consumer struct {
	*shm.Consumer
	free func()
}

// Close detaches.
func (c *consumer) Close() error {
	err := c.Consumer.Close()
	c.free()
	return err
}

// shares returns the session and its line if e's ring can be had in shared memory: it lies on the own node, which is there.
func (c *Client) shares(e api.Edge) (*session, *line) {
	s := c.alive()
	if s == nil || runtime.GOOS != "linux" || e.Locator.Node != s.node {
		return nil, nil
	}
	l, err := s.connected()
	if err != nil {
		return nil, nil
	}
	return s, l
}

// remote says how to attach to e's ring over TCP. The own node is reached that way too where there is no shared memory.
func (c *Client) remote(e api.Edge) (tcp.Attach, error) {
	if e.Locator.Arena == "" {
		return tcp.Attach{}, fmt.Errorf("client: edge %s has no ring at generation %d: the registry was restored or recovered: %w",
			e.Name, e.Generation, fabric.ErrDisconnected)
	}
	session, token := c.credentials()
	if session == "" {
		return tcp.Attach{}, fmt.Errorf("client: attach edge %s: %w", e.Name, api.ErrSessionLost)
	}
	return tcp.Attach{Address: e.Locator.Address, TLS: c.trust.Load(), Silences: &c.silences, Hello: tcp.Hello{
		Edge: e.Name, Generation: e.Generation, Arena: e.Locator.Arena, Session: session, Token: token, Revision: e.Revision,
		Heartbeat: c.config.Heartbeat, Missed: c.config.Missed,
	}}, nil
}

// direct returns what may carry a producer's records past the connection to e's ring, nil if nothing may.
func (c *Client) direct(e api.Edge) tcp.Direct {
	c.mu.Lock()
	node, trusted := c.directs[e.Locator.Node], c.trusted
	c.mu.Unlock()
	return c.adapters.To(e.Name, e.Generation, node, c.trust.Load() != nil && !trusted.Has(node))
}

// shared is one side of a ring in shared memory.
type shared interface {
	io.Closer
	handBacker
}

// attachShared asks the own node for one side, maps it, and waits for the other side's part.
func attachShared[S shared, R any](ctx context.Context, s *session, l *line, e api.Edge, role fabric.Role,
	open func(fabric.Config, shm.Files) (S, error), dress func(S, func()) R,
) (none R, err error) {
	kept := &ring{name: api.HandBack{Edge: e.Name, Generation: e.Generation, Arena: e.Locator.Arena, Role: role}}
	if !s.keep(kept) {
		return none, attachError(ctx, e, role, fabric.ErrTaken)
	}
	side, err := mapShared(ctx, l, e, kept, open)
	if err != nil {
		s.forget(kept) // whatever was wrong: the node may count the side as ours
		return none, attachError(ctx, e, role, err)
	}
	s.bind(kept, side)
	return dress(side, func() { s.forget(kept) }), nil
}

// mapShared asks, maps and waits.
func mapShared[S shared](ctx context.Context, l *line, e api.Edge, kept *ring, open func(fabric.Config, shm.Files) (S, error)) (none S, err error) {
	r, err := l.call(ctx, api.SessionMessage{Attach: &api.Attach{
		Edge: e.Name, Generation: e.Generation, Arena: e.Locator.Arena, Role: kept.name.Role, Revision: e.Revision,
	}})
	if err != nil {
		return none, err
	}
	side, err := openShared(r, e, kept, open)
	if err != nil {
		return none, err
	}
	if err := bindShared(ctx, l, kept, side); err != nil {
		side.Close()
		return none, err
	}
	return side, nil
}

// openShared maps what came with Attached.
func openShared[S shared](r reply, e api.Edge, kept *ring, open func(fabric.Config, shm.Files) (S, error)) (none S, err error) {
	files, err := shm.FilesOf(r.files)
	if r.message.Attached == nil || err != nil {
		closeFiles(r.files)
		return none, fmt.Errorf("own node's answer to attach: %w", errors.Join(api.ErrUnavailable, err))
	}
	kept.name.Capacity = r.message.Attached.Capacity
	return open(fabric.Config{
		Arena: e.Locator.Arena, Edge: e.Name, Generation: e.Generation, Capacity: r.message.Attached.Capacity,
	}, files)
}

// bindShared says that the own part is mapped and sealed, and maps the other side's part when it comes.
func bindShared(ctx context.Context, l *line, kept *ring, side shared) error {
	r, err := l.call(ctx, api.SessionMessage{Mapped: &api.Mapped{Arena: kept.name.Arena, Role: kept.name.Role}})
	if err != nil {
		return err
	}
	if r.message.Peer == nil || len(r.files) != 1 {
		closeFiles(r.files)
		return fmt.Errorf("own node's answer to mapped has %d descriptors: %w", len(r.files), api.ErrUnavailable)
	}
	return side.BindPeer(r.files[0])
}

// attachError says why a ring could not be attached, in the words of package fabric: unless the session or the caller's
// context has ended, this ring will not do.
func attachError(ctx context.Context, e api.Edge, role fabric.Role, err error) error {
	what := fmt.Sprintf("client: attach %s of edge %s, generation %d, on node %s", role, e.Name, e.Generation, e.Locator.Node)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	case fabric.Lost(err), errors.Is(err, api.ErrSessionLost):
		return fmt.Errorf("%s: %w", what, err)
	default:
		return fmt.Errorf("%s: %w: %w", what, fabric.ErrDisconnected, err)
	}
}
