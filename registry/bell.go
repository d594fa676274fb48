package registry

import (
	"sync"
	"sync/atomic"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/watchstream"
)

// bell wakes the watchers whom a change concerns and lets the others sleep, so that ten thousand of them cost a commit no more
// than those who are to be told. It looks watchers up by the prefixes of a changed record's name.
type bell struct {
	mu       sync.Mutex
	sleepers map[string]map[*sleeper]none // by prefix of their filters; the only access to it is under mu
	// rung is up to where changes were looked through: stored by ring alone, after it has marked the sleepers; loaded by sleepers.
	rung atomic.Uint64
}

// sleeper is one watcher.
type sleeper struct {
	filter watchstream.Filter
	wake   chan none     // has room for one
	first  atomic.Uint64 // first change that concerns it since it looked, or 0: set by ring, taken by the watcher
}

func newBell() *bell { return &bell{sleepers: map[string]map[*sleeper]none{}} }

func (b *bell) enter(f watchstream.Filter) *sleeper {
	s := &sleeper{filter: f, wake: make(chan none, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	group := b.sleepers[f.Prefix]
	if group == nil {
		group = map[*sleeper]none{}
		b.sleepers[f.Prefix] = group
	}
	group[s] = none{}
	return s
}

func (b *bell) leave(s *sleeper) {
	b.mu.Lock()
	defer b.mu.Unlock()
	group := b.sleepers[s.filter.Prefix]
	delete(group, s)
	if len(group) == 0 {
		delete(b.sleepers, s.filter.Prefix)
	}
}

// quiet returns up to where nothing concerns s that it has not seen. rung is read first: what is marked later lies above it.
func (b *bell) quiet(s *sleeper) api.Revision {
	rung := b.rung.Load()
	if first := s.first.Swap(0); first != 0 {
		return api.Revision(first - 1)
	}
	return api.Revision(rung)
}

// ring wakes those whom the changes since the last call concern. One goroutine calls it.
func (b *bell) ring(v watchstream.View) {
	rung := api.Revision(b.rung.Load())
	if v.Head == rung {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if rung < v.Floor { // what lies between is not known
		for _, group := range b.sleepers {
			for s := range group {
				s.ring(rung + 1)
			}
		}
	} else {
		for _, c := range v.After(rung) {
			b.tell(c)
		}
	}
	b.rung.Store(uint64(v.Head))
}

// tell wakes those whom c concerns.
func (b *bell) tell(c *watchstream.Change) {
	is, was := c.Is().Name, c.Was().Name
	b.tellUnder(is, c)
	if was != is {
		b.tellUnder(was, c)
	}
}

func (b *bell) tellUnder(name string, c *watchstream.Change) {
	for n := range len(name) + 1 {
		for s := range b.sleepers[name[:n]] {
			if c.Concerns(s.filter) {
				s.ring(c.Revision())
			}
		}
	}
}

func (s *sleeper) ring(first api.Revision) {
	s.first.CompareAndSwap(0, uint64(first))
	select {
	case s.wake <- none{}:
	default: // it will look anyway
	}
}
