package turn

import (
	"sync"
	"sync/atomic"

	"github.com/grafnode/grafnode/internal/membarrier"
)

// Turn is the lock. The zero Turn is free. It must not be copied.
type Turn struct {
	inside uint32        // atomic: 1 while somebody is between Enter and Exit; stored by them, loaded by Lock
	ours   atomic.Uint32 // Enter needs no lock; set by Exit and taken back by Lock, with mu held; loaded by Enter and Exit
	locked bool          // Enter took mu; of whoever is inside
	mu     sync.Mutex
	streak int           // Enters since the last Lock; of mu
	left   chan struct{} // Exit tells Lock; made before ours is first set
}

// streakMin is after how many Enters in a row no Lock is expected. It makes a barrier seldom.
const streakMin = 64

// Enter takes the lock for the one goroutine that may. It returns false, and nothing is taken, if another is seen in between Enter and Exit:
// a bug of the caller's, which is found often, but not always.
func (t *Turn) Enter() bool {
	if atomic.LoadUint32(&t.inside) != 0 {
		return false
	}
	storeRelease(&t.inside, 1)
	return t.ours.Load() != 0 || t.enterLocked()
}

func (t *Turn) enterLocked() bool {
	t.leave() // a Lock may have seen us
	t.mu.Lock()
	atomic.StoreUint32(&t.inside, 1)
	t.locked = true
	return true
}

// Exit gives back what Enter took.
func (t *Turn) Exit() {
	storeRelease(&t.inside, 0)
	if t.ours.Load() == 0 {
		t.exitLocked()
	}
}

// exitLocked is the rest of Exit where Enter took mu, or somebody has wanted the lock meanwhile.
func (t *Turn) exitLocked() {
	if !t.locked {
		t.leave()
		return
	}
	t.locked = false
	if t.streak++; t.streak >= streakMin && membarrier.Register() {
		if t.left == nil {
			t.left = make(chan struct{}, 1)
		}
		t.ours.Store(1)
	}
	t.mu.Unlock()
}

// leave wakes a Lock that waits for inside.
func (t *Turn) leave() {
	atomic.StoreUint32(&t.inside, 0)
	select {
	case t.left <- struct{}{}:
	default: // it has been told, or nobody ever waited
	}
}

// Lock takes the lock. Any goroutine. The barrier makes what Enter stored before seen here, or what is stored here seen by an Enter
// that goes on; likewise for Exit.
func (t *Turn) Lock() {
	t.mu.Lock()
	t.streak = 0
	if t.ours.Load() == 0 {
		return
	}
	t.ours.Store(0)
	membarrier.Here()
	for atomic.LoadUint32(&t.inside) != 0 {
		<-t.left
	}
}

// Unlock gives back what Lock took.
func (t *Turn) Unlock() { t.mu.Unlock() }
