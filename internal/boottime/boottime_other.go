//go:build !linux && !darwin

package boottime

import (
	"time"

	"github.com/grafnode/grafnode/lease"
)

var start = time.Now()

// Now returns the current instant.
func Now() lease.Instant { return lease.Instant(time.Since(start)) }
