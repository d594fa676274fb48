package shm

import (
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waiter is an entry of futex_waitv(2).
type waiter struct {
	value uint64
	addr  uint64
	flags uint32
	_     uint32
}

const (
	futex32      = 2 // FUTEX2_SIZE_U32; without FUTEX2_PRIVATE: the words are in memory that processes share
	futexWake    = 1 // FUTEX_WAKE, not private
	futexWaiters = 1 << 30
)

// futexes is the words that a sleep looks at, at most: the peer's bell, the node's, the side's own.
type futexes [bells]*atomic.Uint32

const bells = 3

// values reads the words as they are before a look.
func (f *futexes) values() (v [bells]uint32) {
	for i, word := range f {
		v[i] = word.Load()
	}
	return v
}

// wait sleeps in a system call until one of the words is not what it was, or has been rung, or until then has come on
// CLOCK_MONOTONIC (zero: never). It may return early. It returns false if the kernel has no such call, or forbids it.
func (f *futexes) wait(was [bells]uint32, until time.Duration) bool {
	var list [bells]waiter
	for i, word := range f {
		list[i] = waiter{value: uint64(was[i]), addr: uint64(uintptr(unsafe.Pointer(word))), flags: futex32}
	}
	var timeout *unix.Timespec
	if until > 0 {
		ts := unix.NsecToTimespec(int64(until))
		timeout = &ts
	}
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX_WAITV, uintptr(unsafe.Pointer(&list)), uintptr(len(list)), 0,
		uintptr(unsafe.Pointer(timeout)), unix.CLOCK_MONOTONIC, 0)
	runtime.KeepAlive(f)
	switch errno {
	case 0, unix.EAGAIN, unix.EINTR, unix.ETIMEDOUT:
		return true
	}
	return false
}

// ringFutex changes a word, ours, and wakes whoever sleeps on it.
func ringFutex(word *atomic.Uint32) {
	word.Add(1)
	unix.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWake, futexWaiters, 0, 0, 0)
}

// seats is how many sleep in a system call: each takes a thread, and one processor is left for the poller.
type seats struct{ taken atomic.Int32 }

var (
	hot      seats
	seatsMax = int32(runtime.GOMAXPROCS(0) - 1)
)

// seated is how long a sleep in a system call lasts at most; the rest is slept in the poller, and from then on a slower wake-up makes no difference.
// The runtime does not see that the processor is idle before it looks, once in ten milliseconds. If it was the poller's thread that went to sleep here,
// nobody hears of any connection of this process until then: not that the node has died, nor that the edge moves.
const seated = 2 * time.Millisecond

// take gives a seat if there is one.
func (h *seats) take() bool {
	if h.taken.Add(1) <= seatsMax {
		return true
	}
	h.leave()
	return false
}

func (h *seats) leave() { h.taken.Add(-1) }
