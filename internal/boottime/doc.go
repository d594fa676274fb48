// Package boottime reads the clock that leases are measured with: CLOCK_BOOTTIME, which never jumps and counts the time
// that the machine is suspended. All processes of a host read the same one, so a deadline in shared memory means the same to
// each of them; so it is on macOS with its CLOCK_MONOTONIC. Elsewhere it is the monotonic clock since process start, which is
// enough for one process.
package boottime
