package edge

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/handoff"
)

var (
	// ErrFull is TryPush's answer when the window is full. Retryable.
	ErrFull = fabric.ErrFull
	// ErrFenced says that another instance has taken the role. Terminal.
	ErrFenced = fence.ErrFenced
	// ErrCodec says that the two sides use different codecs. Terminal.
	ErrCodec = api.ErrCodec
	// ErrClosed says that the edge was closed by its own user.
	ErrClosed = errors.New("edge: closed")
	// ErrUnacked says that Close gave up before everything pushed was acknowledged. Nothing is lost as long as the source can
	// produce it again.
	ErrUnacked = errors.New("edge: closed before everything was acknowledged")

	// errNone is a pop's answer when it finds nothing and may not wait.
	errNone = errors.New("edge: nothing there")
	// errMoved is the cause with which a ring's context ends when the record names a newer ring.
	errMoved = errors.New("edge: the record names another ring")
	// errSpare is the same for a ring that is left for the spare.
	errSpare = errors.New("edge: moved to the spare")
	// errGone is the same for a spare that was moved to in vain.
	errGone = errors.New("edge: the spare was given up, or the other side did not come there in time")
	// errPlanned is the same for a move that was asked for.
	errPlanned = errors.New("edge: relocation requested")
)

// terminal reports whether err ends a role: asking again cannot help.
func terminal(err error) bool {
	for _, t := range []error{fence.ErrFenced, api.ErrSessionLost, api.ErrCodec, api.ErrInvalid, api.ErrTooLarge,
		handoff.ErrTrimmed, handoff.ErrOrder, handoff.ErrLanes, ErrClosed} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// reasonFor names, in the record's history, why a ring is given up.
func reasonFor(cause error) api.Reason {
	switch {
	case errors.Is(cause, errPlanned):
		return api.ReasonRequested
	case errors.Is(cause, fabric.ErrLeaseExpired):
		return api.ReasonExpired
	case errors.Is(cause, fabric.ErrRevoked):
		return api.ReasonRevoked
	case errors.Is(cause, fabric.ErrCorrupt), errors.Is(cause, handoff.ErrDamaged):
		return api.ReasonCorrupt
	default:
		return api.ReasonRingLost
	}
}

// backoff spaces retries: from 1 ms, doubled up to 500 ms, each with a random half on top so that the two sides of an edge
// do not march in step.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{time.Millisecond} }

// sleep waits for the next retry, or returns ctx's cause.
func (b *backoff) sleep(ctx context.Context) error {
	timer := time.NewTimer(b.next + rand.N(b.next/2+1))
	defer timer.Stop()
	b.next = min(2*b.next, 500*time.Millisecond)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
