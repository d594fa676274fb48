package client

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/settle"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// Edge returns an edge's record as of now or later; api.ErrNotFound if there is none, api.ErrUnavailable or
// api.ErrNoQuorum if no node could say.
func (c *Client) Edge(ctx context.Context, name string) (api.Edge, error) {
	return c.Read(ctx, name, api.Default)
}

// Read is Edge with another freshness. Stale is the own node's word, or another's if that is away.
func (c *Client) Read(ctx context.Context, name string, fresh api.Consistency) (api.Edge, error) {
	ctx, cancel := c.until(ctx)
	defer cancel()
	t := tour[api.Edge]{route: c.route, hedge: true, near: fresh == api.Stale, ask: func(ctx context.Context, a *API) (api.Edge, error) {
		return a.Edge(ctx, name, fresh)
	}}
	e, err := t.several(ctx)
	if err == nil {
		c.remember(e)
	}
	return e, err
}

// Locator returns where an edge's ring lies. While no node can be asked it is the last place known here, and nil error:
// whoever goes there is told by the ring's generation whether it is the right one.
func (c *Client) Locator(ctx context.Context, edge string) (locator.Locator, error) {
	e, err := c.Edge(ctx, edge)
	if elsewhere(err) {
		c.mu.Lock()
		last, ok := c.known[edge]
		c.mu.Unlock()
		if ok {
			return last.Locator, nil
		}
	}
	return e.Locator, err
}

// remember keeps the newest record of an edge.
func (c *Client) remember(e api.Edge) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Revision > c.known[e.Name].Revision {
		c.known[e.Name] = e
	}
}

// Change asks for new rings and returns the records after the change. Without an OpID it chooses one, without a session it
// is the client's. It tries again, at any node, until ctx ends what certainly did not happen for want of a node, a leader or a
// turn; what may have happened it sends again under the same OpID, which the registry carries out once. Everything else
// is the registry's answer: api.ErrConflict, api.ErrSessionLost, api.ErrNoRoom, api.ErrCodec, fence.ErrFenced. api.ErrUnknown is
// in the error if ctx ended, or room was wanting, while the outcome of an earlier copy was open, and if an earlier copy was
// carried out and the edges have changed since.
func (c *Client) Change(ctx context.Context, r api.ChangeRequest) ([]api.Edge, error) {
	ctx, cancel := c.until(ctx)
	defer cancel()
	edges, err := c.change(ctx, &r.OpID, &r.Session,
		func(ctx context.Context, a *API) (api.ChangeResponse, error) { return a.Change(ctx, r) },
		func(pending bool) []asked { return changesAsked(r, pending) })
	if err != nil {
		return nil, fmt.Errorf("client: change: %w", err)
	}
	return edges, nil
}

// change sends a session's change of records, under one operation ID, until its outcome is known, and remembers what the records are then.
// An operation and a session that are not named are filled in first; copy sends one copy, and asks says what is asked of each edge.
func (c *Client) change(ctx context.Context, op *string, session *lease.SessionID,
	copy func(context.Context, *API) (api.ChangeResponse, error), asks func(pending bool) []asked,
) ([]api.Edge, error) {
	if *op == "" {
		*op = string(lease.NewID())
	}
	if *session == "" {
		s, err := c.live(ctx)
		if err != nil {
			return nil, err
		}
		*session = s.id
	}
	t := tour[api.ChangeResponse]{route: c.route, hedge: true, ask: func(ctx context.Context, a *API) (api.ChangeResponse, error) {
		if c.lostIs(*session) {
			return api.ChangeResponse{}, fmt.Errorf("client: session %s: %w: %w", *session, errOwnClock, api.ErrSessionLost)
		}
		return copy(ctx, a)
	}}
	resp, err := t.known(ctx)
	if t.copies > 1 && doubtful(err) {
		err = c.settle(ctx, err, asks(pending(err))...)
	}
	if err != nil {
		return nil, err
	}
	for _, e := range resp.Edges {
		c.remember(e)
	}
	return resp.Edges, nil
}

// changesAsked returns what r asked of each of its edges.
func changesAsked(r api.ChangeRequest, pending bool) (all []asked) {
	for _, e := range r.Edges {
		all = append(all, asked{e.Name, settle.Change{
			Expect: e.Expect, Session: r.Session, Reason: r.Reason, Detail: r.Detail, Pending: pending,
		}})
	}
	return all
}

// lostIs reports whether id is this client's session and has ended.
func (c *Client) lostIs(id lease.SessionID) bool {
	c.mu.Lock()
	s := c.current
	c.mu.Unlock()
	return s != nil && s.id == id && s.over()
}

// ownNode returns the own node's ID, once a session has told it.
func (c *Client) ownNode() locator.NodeID {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current == nil {
		return ""
	}
	return c.current.node
}
