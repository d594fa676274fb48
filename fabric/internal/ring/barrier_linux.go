//go:build !race

package ring

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

// barriers says whether this process can make others run memory barriers, and runs theirs. Stored by hasBarriers, before the first
// side is there, loaded by all.
var barriers bool

// hasBarriers registers this process with the kernel, which takes a moment, once.
var hasBarriers = sync.OnceValue(func() bool {
	barriers = membarrier(registerPrivateExpedited) && membarrier(registerGlobalExpedited) &&
		membarrier(privateExpedited) && membarrier(globalExpedited)
	return barriers
})

func membarrier(command uintptr) bool {
	_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, command, 0, 0)
	return errno == 0
}

// barrierHere makes all threads of this process run a barrier.
func barrierHere() { membarrier(privateExpedited) }

// barrierEverywhere makes all threads of all processes do so that have registered.
func barrierEverywhere() { membarrier(globalExpedited) }
