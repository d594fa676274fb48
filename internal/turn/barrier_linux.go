//go:build !race

package turn

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Commands of membarrier(2).
const (
	privateExpedited         = 1 << 3
	registerPrivateExpedited = 1 << 4
)

// barriers says whether there is a barrier, and registers this process for it, which takes a moment, once.
var barriers = sync.OnceValue(func() bool {
	return membarrier(registerPrivateExpedited) && membarrier(privateExpedited)
})

// barrier makes all threads of this process run a memory barrier.
func barrier() { membarrier(privateExpedited) }

func membarrier(command uintptr) bool {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return errno == 0
}
