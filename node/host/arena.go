package host

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/lease"
)

// arena is a ring of this node's, from the moment that the state grants it until nobody has it mapped any more. It has memory
// from its first attach on, or from being handed back. All fields but ring and build are guarded by host.mu.
type arena struct {
	ring  Ring
	build sync.Mutex // held while memory is made or taken back; before host.mu

	ctx   context.Context // ends with the ring, with the reason for its seal as cause
	end   context.CancelCauseFunc
	ready chan struct{} // closed when the first deadline is confirmed

	deadline lease.Instant // the newest confirmed; zero: none yet
	term     time.Duration // that it was confirmed for
	adopting bool          // handed back, the cluster has not agreed yet
	reserved bool          // its bytes are counted
	closed   bool          // the host has let go of mem
	mem      fabric.Arena  // nil: none yet
	shared   *shm.Arena    // mem, if other processes can map it
	sides    map[fabric.Role]side
}

// side is who has one side of a ring attached now.
type side struct {
	session lease.SessionID
	local   bool // mapped by a process of this host, not through a data connection
}

// abandon lets go of the ring without sealing it, for Close.
func (a *arena) abandon() {
	a.end(errClosing)
	if a.shared != nil && !a.closed {
		a.shared.Abandon()
	}
}

var errClosing = errors.New("the node is stopping")

func newArena(r Ring) *arena {
	a := &arena{ring: r, ready: make(chan struct{}), sides: map[fabric.Role]side{}}
	a.ctx, a.end = context.WithCancelCause(context.Background())
	return a
}

// confirm takes a term that the cluster has granted, from when it was asked for.
func (a *arena) confirm(asked lease.Instant, term time.Duration) {
	if a.deadline == 0 {
		close(a.ready)
	}
	a.deadline, a.term = max(a.deadline, lease.HolderDeadline(asked, term)), term
	if a.mem != nil {
		a.mem.SetDeadline(a.deadline)
	}
}

// stale reports whether the deadline is too old to wait for the next renewal, which may be a third of a term away.
func (a *arena) stale(now lease.Instant) bool {
	return a.deadline.Sub(now) < a.term-lease.RenewEvery(a.term)/2
}

// reason returns why the ring has ended, or nil.
func (a *arena) reason() error { return context.Cause(a.ctx) }

// remote reports whether a data connection has a side.
func (a *arena) remote() bool {
	for _, s := range a.sides {
		if !s.local {
			return true
		}
	}
	return false
}

// config is what the ring's memory must be.
func (r Ring) config(deadline lease.Instant) fabric.Config {
	return fabric.Config{
		Arena: r.Arena(), Edge: r.Edge, Generation: r.Generation, Capacity: int(r.Capacity), Deadline: deadline,
	}
}

// Bytes is how much memory the ring takes, its data and what is beside them.
func (r Ring) Bytes() uint64 { return uint64(shm.Footprint(int(r.Capacity))) }

// newMemory makes a ring that other processes can map or, where there is no such thing, one for data connections only.
func newMemory(c fabric.Config) (mem fabric.Arena, shared *shm.Arena, err error) {
	shared, err = shm.New(c)
	switch {
	case err == nil:
		return shared, shared, nil
	case errors.Is(err, fabric.ErrUnsupported):
		mem, err = inproc.New(c)
		return mem, nil, err
	default:
		return nil, nil, err
	}
}

// sealReason is what a ring's sides are told when its lease ends in status.
func sealReason(status lease.Status) error {
	if status == lease.Released {
		return fabric.ErrSealed
	}
	return status.Err() // expired, revoked; never nil, as the lease is not active
}

func (r Ring) String() string {
	return fmt.Sprintf("ring of edge %s, generation %d", r.Edge, r.Generation)
}
