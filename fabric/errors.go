package fabric

import (
	"errors"

	"github.com/grafnode/grafnode/lease"
)

// Answers of a healthy ring.
var (
	// ErrEmpty says that no record is there yet. Retryable: Wait.
	ErrEmpty = errors.New("ring is empty")
	// ErrFull says that there is no room yet. Retryable: Wait.
	ErrFull = errors.New("ring is full")
	// ErrTooLarge says that a record can never fit this ring. Terminal for that record.
	ErrTooLarge = errors.New("record is too large for the ring")
	// ErrClosed says that this side was closed by its own user.
	ErrClosed = errors.New("ring side is closed")
	// ErrUnsupported says that this platform or build has no such fabric. Terminal: use another fabric.
	ErrUnsupported = errors.New("fabric is not supported here")
)

// The ways to lose a ring. None is retryable on the same ring; the edge gets another one.
var (
	// ErrDisconnected says that the way to the ring broke: its node, its host or the network.
	ErrDisconnected = errors.New("ring is disconnected")
	// ErrLeaseExpired says that the ring's lease ran out.
	ErrLeaseExpired = lease.ErrExpired
	// ErrRevoked says that the cluster took the ring's memory back.
	ErrRevoked = lease.ErrRevoked
	// ErrSealed says that the ring was ended because the edge has moved on.
	ErrSealed = errors.New("ring is sealed")
	// ErrCorrupt says that a check failed; the error's text says which.
	ErrCorrupt = errors.New("ring is corrupt")
	// ErrTaken says that this side of the ring has been attached before.
	ErrTaken = errors.New("ring side is taken")
)

var losses = []error{ErrDisconnected, ErrLeaseExpired, ErrRevoked, ErrSealed, ErrCorrupt, ErrTaken}

// Lost reports whether err says that the ring is gone for this side, so that the edge must bind another.
func Lost(err error) bool {
	for _, loss := range losses {
		if errors.Is(err, loss) {
			return true
		}
	}
	return false
}
