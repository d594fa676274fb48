package durable

import (
	"context"

	"github.com/grafnode/grafnode/fence"
)

// Region is a range of durable bytes under a fence. A leased block region of *client.Client is one, and File.
type Region interface {
	// Size returns the length in bytes. It never changes.
	Size() int64
	// Fence refuses writes of all older epochs from now on, durably, or returns fence.ErrFenced.
	Fence(ctx context.Context, epoch fence.Epoch) error
	// ReadAt fills b with the bytes from offset.
	ReadAt(ctx context.Context, b []byte, offset int64) error
	// WriteAt returns once b is durable at offset, or that nothing was written: fence.ErrFenced because epoch is stale,
	// api.ErrConflict because number, 1 at least, is not above those of all writes before it under epoch. After any other
	// error, or a crash, any part of b may be there, or come until a write of a higher number or epoch has landed: a
	// write that was held up never lands over a later one. It keeps nothing of b.
	WriteAt(ctx context.Context, epoch fence.Epoch, number uint64, b []byte, offset int64) error
}
