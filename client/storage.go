package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

// AcquireLease asks for a lease held by this process's session, opening one if need be: it lasts, renewed, for as long as
// the session does. It asks, under the lease's ID, until the outcome is known. api.ErrUnknown means that ctx ended before; if
// one was granted then and it has no name, it ends with the session.
func (c *Client) AcquireLease(ctx context.Context, r lease.Request) (lease.Grant, error) {
	if r.ID == "" {
		r.ID = lease.NewID()
	}
	if err := r.Validate(); err != nil {
		return lease.Grant{}, err
	}
	ctx, cancel := c.until(ctx)
	defer cancel()
	if _, err := c.live(ctx); err != nil {
		return lease.Grant{}, err
	}
	t := tour[lease.Grant]{route: c.route, ask: func(ctx context.Context, a *API) (lease.Grant, error) {
		return a.AcquireLease(ctx, r)
	}}
	return t.known(ctx)
}

// ReleaseLease gives a lease back. Releasing one that has ended is no error: IDs are never used again, so it is released until
// that is known.
func (c *Client) ReleaseLease(ctx context.Context, id lease.ID) error {
	ctx, cancel := c.until(ctx)
	defer cancel()
	t := tour[struct{}]{route: c.route, ask: func(ctx context.Context, a *API) (struct{}, error) {
		return struct{}{}, a.ReleaseLease(ctx, id)
	}}
	_, err := t.known(ctx)
	if errors.Is(err, api.ErrUnknown) {
		return err
	}
	for _, over := range []error{lease.ErrExpired, lease.ErrRevoked, api.ErrNotFound} {
		if errors.Is(err, over) {
			return nil
		}
	}
	return err
}

// UpdateCheckpoint fences the checkpoint called key and, if r.Write is set, replaces its value; it returns the checkpoint as it
// is then. Errors: fence.ErrFenced; api.ErrConflict if r.Expect is not its revision, also if the answer to a write got lost and
// it turned out not to have been written; api.ErrUnknown if the outcome is open, because ctx ended or, without r.Expect, because
// a write that was sent may still arrive; others if it was not applied.
func (c *Client) UpdateCheckpoint(ctx context.Context, key string, r api.CheckpointRequest) (api.Checkpoint, error) {
	if len(r.Value) > api.CheckpointBytesMax {
		return api.Checkpoint{}, fmt.Errorf("client: checkpoint %s of %d bytes, at most %d: %w",
			key, len(r.Value), api.CheckpointBytesMax, api.ErrTooLarge)
	}
	ctx, cancel := c.until(ctx)
	defer cancel()
	ask := func(r api.CheckpointRequest) tour[api.Checkpoint] {
		return tour[api.Checkpoint]{route: c.route, ask: func(ctx context.Context, a *API) (api.Checkpoint, error) {
			return a.PutCheckpoint(ctx, key, r)
		}}
	}
	t := ask(r)
	now, err := t.several(ctx)
	if !errors.Is(err, api.ErrUnknown) {
		return now, err
	}
	// To fence under the same epoch changes the revision and nothing else: afterwards a late copy of a write that expects the old
	// one is refused, so that what is read now stands.
	t = ask(api.CheckpointRequest{Epoch: r.Epoch})
	now, ferr := t.known(ctx)
	switch {
	case ferr != nil && ctx.Err() != nil:
		return now, err
	case ferr != nil || !r.Write || now.Epoch == r.Epoch && now.Sum == r.Sum && bytes.Equal(now.Value, r.Value):
		return now, ferr
	case r.Expect != 0:
		return now, fmt.Errorf("client: checkpoint %s: not written: %w", key, api.ErrConflict)
	default:
		return now, err
	}
}

// Silences returns how many nodes the client has given up for their silence since it was made.
func (c *Client) Silences() api.Silences {
	judged, mistaken := c.silences.Counts()
	return api.Silences{Judged: judged, Mistaken: mistaken}
}

// Report gives the stage's counters to the own node, over the session, and the client's. It does not wait: without a session or a node there
// is nobody to tell, and the next report has the counters all the same.
func (c *Client) Report(_ context.Context, r api.StageReport) error {
	s := c.alive()
	if s == nil {
		return fmt.Errorf("client: report: %w", api.ErrSessionLost)
	}
	l, err := s.connected()
	if err != nil {
		return err
	}
	now := c.Silences()
	r.Silences = api.Silences{Judged: now.Judged - s.before.Judged, Mistaken: now.Mistaken - s.before.Mistaken}
	return l.post(api.SessionMessage{Report: &r})
}

// Blocks is a leased block region on some node's disk, reached through that node. All methods are safe for concurrent use.
type Blocks struct {
	c     *Client
	grant lease.Grant
}

// Blocks returns the region that g grants.
func (c *Client) Blocks(g lease.Grant) (*Blocks, error) {
	if g.Kind != lease.KindBlock || g.Locator.Kind != locator.Block {
		return nil, fmt.Errorf("client: lease %s grants %s at a %s, not a block region", g.ID, g.Kind, g.Locator.Kind)
	}
	return &Blocks{c: c, grant: g}, nil
}

// Size returns the region's length in bytes.
func (b *Blocks) Size() int64 { return int64(b.grant.Bytes) }

// Fence refuses writes of all older epochs from now on, durably, or returns fence.ErrFenced.
func (b *Blocks) Fence(ctx context.Context, epoch fence.Epoch) error {
	return b.ask(ctx, func(ctx context.Context, a *API) error { return a.FenceBlocks(ctx, b.grant.ID, epoch) })
}

// ReadAt fills p with the bytes from offset.
func (b *Blocks) ReadAt(ctx context.Context, p []byte, offset int64) error {
	return b.ask(ctx, func(ctx context.Context, a *API) error {
		got, err := a.ReadBlocks(ctx, b.grant.ID, uint64(offset), len(p))
		if err == nil && len(got) != len(p) {
			err = fmt.Errorf("client: block region %s: %d bytes of %d: %w", b.grant.ID, len(got), len(p), api.ErrCorrupt)
		}
		copy(p, got)
		return err
	})
}

// WriteAt returns once p is durable at offset, or that nothing was written: fence.ErrFenced because epoch is stale,
// api.ErrConflict because number, 1 at least, is not above those of all writes before it under epoch. After any other error
// any part of p may be there, or come until a write of a higher number or epoch has landed. It keeps nothing of p.
func (b *Blocks) WriteAt(ctx context.Context, epoch fence.Epoch, number uint64, p []byte, offset int64) error {
	return b.ask(ctx, func(ctx context.Context, a *API) error {
		return a.WriteBlocks(ctx, b.grant.ID, epoch, number, p, uint64(offset))
	})
}

// ask asks the node that has the region; no other one can answer.
func (b *Blocks) ask(ctx context.Context, f func(context.Context, *API) error) error {
	ctx, cancel := b.c.until(ctx)
	defer cancel()
	node, err := b.c.route.at(b.grant.Locator.Address)
	if err != nil {
		return fmt.Errorf("client: block region %s: %w", b.grant.ID, err)
	}
	return f(ctx, node)
}
