package client

import (
	"context"
	"fmt"
	"net/netip"
	"os"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/locator"
)

// relearnEvery is how many beats pass between two looks at which other nodes there are.
const relearnEvery = 10

// connect opens a line to the own node and says hello, with an old session or for a new one. It waits for as long as ctx.
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
	r, err := l.call(ctx, api.SessionMessage{Hello: &h})
	if err == nil && r.message.Welcome == nil {
		err = fmt.Errorf("client: own node answered hello with something else: %w", api.ErrUnavailable)
	}
	if err != nil {
		l.close()
		return nil, nil, err
	}
	c.route.learn(r.message.Welcome.Addresses)
	c.mu.Lock()
	c.trusted = r.message.Welcome.Trusted
	c.mu.Unlock()
	return l, r.message.Welcome, nil
}

// learnNodes asks a node which others there are, and the own node, which this process trusts because it is on the other side of its socket, by whose
// certificates they can be told from strangers. Not knowing is no error.
func (c *Client) learnNodes(ctx context.Context, from *API) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.TryTimeout, errSlow)
	defer cancel()
	if from == c.route.own {
		if err := c.learnAuthorities(ctx); err != nil {
			c.log.Debug("authorities not learned", "err", err)
		}
	}
	nodes, err := from.Nodes(ctx, api.Stale)
	if err != nil {
		c.log.Debug("other nodes not learned", "err", err)
		return
	}
	var addresses []string
	directs := map[locator.NodeID]netip.Prefix{}
	own := c.ownNode()
	for _, n := range nodes {
		if at, err := netip.ParsePrefix(n.Direct); err == nil {
			directs[n.ID] = at
		}
		if n.ID != own && n.Address != "" {
			addresses = append(addresses, n.Address)
		}
	}
	c.route.learn(addresses)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.directs = directs
}

func (c *Client) learnAuthorities(ctx context.Context) error {
	known, err := c.route.own.Authorities(ctx)
	if err != nil || known.PEM == "" {
		return err
	}
	trust, err := identity.Anonymous([]byte(known.PEM))
	if err == nil {
		c.trust.Store(trust)
	}
	return err
}
