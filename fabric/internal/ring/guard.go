package ring

import (
	"sync/atomic"

	"github.com/grafnode/grafnode/internal/membarrier"
)

// guard keeps a side's memory while somebody uses it: the one goroutine that is in the calls, and any number of waits. It frees
// the memory once the side is closed and nobody uses it any more.
//
// A call costs two plain stores. That is enough because whoever closes or leaves makes all threads of the process run a memory
// barrier before it looks for calls: the call has been seen by then, or it sees that the side is closed. Where the kernel has no
// such thing, calls are counted like waits.
type guard struct {
	waits atomic.Uint64 // waits under way, and the flags below
	calls atomic.Uint64 // calls under way, one within the other; stored by the goroutine in the calls, loaded by release
	free  func()        // may be nil
}

// Flags of waits.
const (
	closed   = 1 << 62
	released = 1 << 63
)

func (g *guard) isClosed() bool { return g.waits.Load()&closed != 0 }

// enter begins a call. It fails once the side is closed.
func (g *guard) enter() bool {
	if !membarrier.On {
		return g.enterWait()
	}
	storeRelease(&g.calls, g.calls.Load()+1)
	if g.waits.Load()&closed == 0 {
		return true
	}
	g.exit()
	return false
}

// exit ends a call.
func (g *guard) exit() {
	if !membarrier.On {
		g.exitWait()
		return
	}
	storeRelease(&g.calls, g.calls.Load()-1)
	if g.waits.Load()&closed != 0 {
		g.release()
	}
}

// enterWait is enter for a wait.
func (g *guard) enterWait() bool {
	if g.waits.Add(1)&closed == 0 {
		return true
	}
	g.exitWait()
	return false
}

// exitWait is exit for a wait.
func (g *guard) exitWait() {
	if g.waits.Add(^uint64(0)) == closed {
		g.release()
	}
}

// close makes enter fail, and reports whether it is the first to do so. Release follows.
func (g *guard) close() bool { return g.waits.Or(closed)&closed == 0 }

// release frees the memory of a closed side if nobody uses it. The last one out calls it, and close's caller.
func (g *guard) release() {
	if g.waits.Load() != closed {
		return
	}
	if membarrier.On {
		membarrier.Here()
	}
	if g.calls.Load() == 0 && g.waits.CompareAndSwap(closed, closed|released) && g.free != nil {
		g.free()
	}
}
