package boottime

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/lease"
)

// Now returns the current instant. This system's CLOCK_MONOTONIC counts sleep and is the same for all processes.
func Now() lease.Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("boottime: " + err.Error())
	}
	return lease.Instant(time.Duration(ts.Nano()))
}
