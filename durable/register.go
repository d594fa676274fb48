package durable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

// RegisterBytesMax is the largest value of a Register, in bytes.
const RegisterBytesMax = api.CheckpointBytesMax

// settleEvery is how long a Register waits before it asks again how a write ended.
const settleEvery = 50 * time.Millisecond

// Checkpoints is the registry's side of a Register. *client.Client is one.
type Checkpoints interface {
	// UpdateCheckpoint fences the checkpoint called key and, if r.Write is set, replaces its value; it returns the checkpoint
	// as it is then. Errors: fence.ErrFenced, api.ErrConflict if r.Expect is not its revision, api.ErrUnknown if the
	// outcome is open, others if it was not applied.
	UpdateCheckpoint(ctx context.Context, key string, r api.CheckpointRequest) (api.Checkpoint, error)
}

// Register is a Store in the registry: as durable as the registry itself, and small. Each write is an entry of the Raft
// log, so put seldom and let Puts be grouped. It resolves unknown outcomes itself: every write names the revision that it
// replaces, so one that arrives late is refused.
type Register struct {
	registry Checkpoints
	key      string
	group    *group

	// Guarded by the group's turn.
	revision api.Revision // of the checkpoint, if settled
	settled  bool         // revision is as of the last write, whose outcome is known
}

// NewRegister returns the Store called key. Keys share one name space in the whole cluster.
func NewRegister(registry Checkpoints, key string) *Register {
	return &Register{registry: registry, key: key, group: newGroup()}
}

// Fence implements Store.
func (r *Register) Fence(ctx context.Context, epoch fence.Epoch) (value []byte, found bool, err error) {
	err = r.group.fence(ctx, epoch, func() error {
		for {
			value, err = r.read(ctx, epoch)
			if !errors.Is(err, api.ErrUnknown) {
				return err
			}
			if err := pause(ctx, settleEvery); err != nil {
				return err
			}
		}
	})
	return value, value != nil && err == nil, err
}

// Put implements Store.
func (r *Register) Put(ctx context.Context, epoch fence.Epoch, value []byte) error {
	if err := checkSize(len(value), RegisterBytesMax); err != nil {
		return err
	}
	return r.group.put(ctx, epoch, value, r.write)
}

// read fences and reads. A write of ours that is still under way may take effect afterwards, but only in place of the
// revision that was read, so that the next write of ours is refused and reads again.
func (r *Register) read(ctx context.Context, epoch fence.Epoch) ([]byte, error) {
	c, err := r.registry.UpdateCheckpoint(ctx, r.key, api.CheckpointRequest{Epoch: epoch})
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: fence: %w", r.key, err)
	}
	if got := crc32.Checksum(c.Value, castagnoli); len(c.Value) > 0 && got != c.Sum {
		return nil, fmt.Errorf("checkpoint %s: check %08x, computed %08x: %w", r.key, c.Sum, got, api.ErrCorrupt)
	}
	r.revision, r.settled = c.Revision, true
	if len(c.Value) == 0 {
		return nil, nil
	}
	return c.Value, nil
}

// write writes until the outcome is known.
func (r *Register) write(ctx context.Context, epoch fence.Epoch, value []byte) error {
	for {
		err := r.writeOnce(ctx, epoch, value)
		if !errors.Is(err, api.ErrUnknown) && !errors.Is(err, api.ErrConflict) {
			return err
		}
		if err := pause(ctx, settleEvery); err != nil {
			return err
		}
	}
}

// writeOnce tries one write. If an earlier one may still be under way it reads first, and has nothing left to do if that
// one has written the same value.
func (r *Register) writeOnce(ctx context.Context, epoch fence.Epoch, value []byte) error {
	if !r.settled {
		now, err := r.read(ctx, epoch)
		if err != nil || bytes.Equal(now, value) {
			return err
		}
	}
	r.settled = false
	c, err := r.registry.UpdateCheckpoint(ctx, r.key, api.CheckpointRequest{
		Epoch: epoch, Expect: r.revision, Write: true, Value: value, Sum: crc32.Checksum(value, castagnoli),
	})
	if err != nil {
		return fmt.Errorf("checkpoint %s: put: %w", r.key, err)
	}
	r.revision, r.settled = c.Revision, true
	return nil
}
