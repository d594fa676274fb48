package boottime

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/lease"
)

// Now returns the current instant.
func Now() lease.Instant {
	var ts unix.Timespec
	// Cannot fail: the clock exists since Linux 2.6.39 and ts is ours.
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("boottime: " + err.Error())
	}
	return lease.Instant(time.Duration(ts.Nano()))
}
