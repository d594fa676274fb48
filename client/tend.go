package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

// relearnEvery is how many beats pass between two looks at which other nodes there are.
const relearnEvery = 10

// helloTimeout is longer than a node takes to answer a hello in any way: hanging up while the cluster hands a session over
// would look like the end of this process, and end it.
const helloTimeout = 15 * time.Second

// connect opens a line to the own node and says hello, with an old session or for a new one.
func (c *Client) connect(ctx context.Context, h api.Hello) (*line, *api.Welcome, error) {
	l, err := dialLine(ctx, c.config.Socket)
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	if c.lines == nil {
		c.mu.Unlock()
		l.close()
		return nil, nil, ErrClosed
	}
	c.lines[l] = struct{}{}
	c.running.Go(func() {
		l.read()
		c.mu.Lock()
		delete(c.lines, l)
		c.mu.Unlock()
	})
	c.mu.Unlock()

	h.Stage, h.PID, h.TTL = c.config.Stage, os.Getpid(), c.config.TTL
	ctx, cancel := context.WithTimeoutCause(ctx, helloTimeout, errSlow)
	defer cancel()
	r, err := l.call(ctx, api.SessionMessage{Hello: &h})
	if err == nil && r.message.Welcome == nil {
		err = fmt.Errorf("client: own node answered hello with something else: %w", api.ErrUnavailable)
	}
	if err != nil {
		l.close()
		return nil, nil, err
	}
	c.route.learn(r.message.Welcome.Addresses)
	return l, r.message.Welcome, nil
}

// tend keeps a session's line for as long as the session lives.
func (c *Client) tend(s *session, l *line) {
	for {
		c.attend(s, l)
		switch {
		case c.ctx.Err() != nil:
			return
		case s.over():
			c.log.Error("session lost", "session", s.id)
			return
		}
		c.log.Warn("own node is away", "session", s.id, "good_for", s.left())
		s.setLine(nil)
		next, err := c.reconnect(s)
		if err != nil {
			s.end()
			c.log.Error("session lost", "session", s.id, "err", err)
			return
		}
		l = next
	}
}

// attend beats until the line breaks, the session ends or the client is closed.
func (c *Client) attend(s *session, l *line) {
	beat := time.NewTicker(lease.RenewEvery(s.ttl))
	defer beat.Stop()
	for beats := 0; ; {
		select {
		case d := <-l.good:
			s.extend(d)
			continue
		case <-l.over:
			s.end()
			return
		case <-l.done:
			return
		case <-s.lost:
			return
		case <-c.ctx.Done():
			return
		case <-beat.C:
		}
		if err := s.beat(c.ctx, l); errors.Is(err, api.ErrSessionLost) {
			s.end()
		}
		if beats++; beats%relearnEvery == 0 {
			c.start(func() { c.learnNodes(c.ctx, c.route.own) }) // beats do not wait for it
		}
	}
}

// reconnect takes the session up again when the node is back, until the session's end.
func (c *Client) reconnect(s *session) (*line, error) {
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	if !c.start(func() {
		select {
		case <-s.lost:
			cancel(api.ErrSessionLost)
		case <-ctx.Done():
		}
	}) {
		return nil, ErrClosed
	}
	for wait := new(backoff); ; {
		l, w, err := c.connect(ctx, api.Hello{Session: s.id, Token: s.token})
		if err == nil {
			s.extend(w.Deadline)
			s.setLine(l)
			c.start(func() { c.handBackAll(s, l) })
			c.log.Info("own node is back", "session", s.id, "incarnation", w.Incarnation)
			return l, nil
		}
		if !elsewhere(err) && !errors.Is(err, api.ErrUnknown) {
			return nil, err
		}
		if cause := wait.sleep(ctx); cause != nil {
			return nil, cause
		}
	}
}

// learnNodes asks a node which others there are. Not knowing is no error.
func (c *Client) learnNodes(ctx context.Context, from *API) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.TryTimeout, errSlow)
	defer cancel()
	nodes, err := from.Nodes(ctx, api.Stale)
	if err != nil {
		c.log.Debug("other nodes not learned", "err", err)
		return
	}
	var addresses []string
	own := c.ownNode()
	for _, n := range nodes {
		if n.ID != own && n.Address != "" {
			addresses = append(addresses, n.Address)
		}
	}
	c.route.learn(addresses)
}
