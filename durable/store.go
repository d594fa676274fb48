package durable

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

// Store is one fenced value. All methods are safe for concurrent use and block until their outcome is known or ctx ends. An
// epoch belongs to one Store: of two that fence under the same one, only the last may put.
//
// Errors: fence.ErrFenced is terminal for the epoch. api.ErrCorrupt says what is damaged; nothing but an operator, or a new
// key, gets past it. An error that wraps api.ErrUnknown leaves open whether the value was or will be written; it is
// settled only by Fence under a higher epoch, so the stage starts over.
type Store interface {
	// Fence refuses all older epochs from now on, durably, and then reads. found is false only if nothing was ever put.
	// The value belongs to the caller. Fencing again under the same epoch reads again.
	Fence(ctx context.Context, epoch fence.Epoch) (value []byte, found bool, err error)

	// Put replaces the value under an epoch that was fenced before. It returns nil once value, or that of a later Put under
	// the same epoch, is durable. Puts that run beside one another are written together, the latest winning. value
	// must not be empty; it is copied.
	Put(ctx context.Context, epoch fence.Epoch, value []byte) error
}

// ErrNotFenced says that Put was called under an epoch that this Store has not fenced. It is a bug of the caller.
var ErrNotFenced = errors.New("durable: epoch was not fenced before Put")

func checkSize(n, most int) error {
	switch {
	case n == 0:
		return fmt.Errorf("durable: empty value: %w", api.ErrInvalid)
	case n > most:
		return fmt.Errorf("durable: value of %d bytes, at most %d: %w", n, most, api.ErrTooLarge)
	}
	return nil
}

// pause waits d, or less if ctx ends: then it returns why.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
