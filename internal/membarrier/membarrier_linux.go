//go:build !race

package membarrier

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Commands of membarrier(2).
const (
	globalExpedited          = 1 << 1
	registerGlobalExpedited  = 1 << 2
	privateExpedited         = 1 << 3
	registerPrivateExpedited = 1 << 4
)

// On says whether this process can make others run memory barriers, and runs theirs. Stored by the first Register alone: to be loaded only
// behind a call of it.
var On bool

// Register registers this process with the kernel, which takes a moment, once, and returns On. Any goroutine.
var Register = sync.OnceValue(func() bool {
	On = do(registerPrivateExpedited) && do(registerGlobalExpedited) && do(privateExpedited) && do(globalExpedited)
	return On
})

func do(command uintptr) bool {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return errno == 0
}

// Here makes all threads of this process run a barrier.
func Here() { do(privateExpedited) }

// Everywhere makes all threads of all processes do so that have registered.
func Everywhere() { do(globalExpedited) }
