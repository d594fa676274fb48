package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// cursorVersion is the first byte of a stored cursor; the vector follows. A cursor that is behind what is acknowledged does no
// harm, so one may be lost, but never one that is ahead be written.
const cursorVersion = 1

// cursor is where a source goes on, in a store fenced by its stage's epoch.
type cursor struct {
	store durable.Store
	epoch fence.Epoch
	every time.Duration
	saved position.Vector
}

// claim fences the store and only then reads where to go on (protocol rule 5).
func (c *cursor) claim(ctx context.Context) (position.Vector, error) {
	b, found, err := fenced(ctx, c.store, c.epoch)
	switch {
	case err != nil:
		return position.Vector{}, fmt.Errorf("cursor: %w", err)
	case !found: // never saved: from the start
		return position.Vector{}, nil
	}
	c.saved, err = decodeVector(b)
	return c.saved, err
}

// fenced fences a store and only then reads it. It waits for a registry that has no leader.
func fenced(ctx context.Context, store durable.Store, epoch fence.Epoch) (value []byte, found bool, err error) {
	for try := 1; ; try++ {
		value, found, err = store.Fence(ctx, epoch)
		if !awayForNow(err) {
			return value, found, err
		}
		if err := sleep(ctx, retryWait(RetryWaitDefault, min(try, 4))); err != nil {
			return nil, false, err
		}
	}
}

// follow saves what wait says is acknowledged, as it moves and no more often than every so often, until following ends. That
// does not interrupt a save: its outcome would be open.
func (c *cursor) follow(
	ctx, following context.Context, wait func(context.Context, position.Vector) (position.Vector, error),
) error {
	var seen position.Vector // not what is saved, below which a new edge begins
	for {
		acked, err := wait(following, seen)
		if err == nil {
			pause := c.every
			if err := c.save(ctx, acked); awayForNow(err) {
				pause = max(pause, RetryWaitDefault)
			} else if err != nil {
				return err
			} else {
				seen = acked
			}
			err = sleep(following, pause)
		}
		if following.Err() != nil && ctx.Err() == nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// leave saves acked for good, waiting for a registry that has no leader.
func (c *cursor) leave(ctx context.Context, acked position.Vector) error {
	return insist(ctx, max(c.every, RetryWaitDefault), func() error { return c.save(ctx, acked) })
}

// insist writes until a store that is away for now, as a registry without a leader is, has come back.
func insist(ctx context.Context, pause time.Duration, write func() error) error {
	for {
		err := write()
		if !awayForNow(err) {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (c *cursor) save(ctx context.Context, acked position.Vector) error {
	acked = acked.Max(c.saved)
	if acked.Equal(c.saved) {
		return nil
	}
	if err := c.store.Put(ctx, c.epoch, encodeVector(acked)); err != nil {
		return fmt.Errorf("cursor: %w", err)
	}
	c.saved = acked
	return nil
}

// awayForNow reports whether err says that a store wrote nothing and may be asked again.
func awayForNow(err error) bool {
	return errors.Is(err, api.ErrNoQuorum) || errors.Is(err, api.ErrUnavailable)
}

func encodeVector(v position.Vector) []byte { return v.Append([]byte{cursorVersion}) }

func decodeVector(b []byte) (position.Vector, error) {
	if len(b) == 0 || b[0] != cursorVersion {
		return position.Vector{}, fmt.Errorf("stored positions %x have no known version: %w", b[:min(len(b), 8)], api.ErrCorrupt)
	}
	v, err := position.DecodeVector(b[1:])
	if err != nil {
		return position.Vector{}, fmt.Errorf("stored positions: %w: %w", err, api.ErrCorrupt)
	}
	return v, nil
}
