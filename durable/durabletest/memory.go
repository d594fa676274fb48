package durabletest

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

// Registry is durable.Checkpoints in memory. The zero Registry is empty.
type Registry struct {
	// Break, if set, is asked before each request with its number, from 1, and says what goes wrong with it.
	Break func(n int, r api.CheckpointRequest) Fault

	mu       sync.Mutex
	asked    int
	revision api.Revision
	entries  map[string]api.Checkpoint
	late     []func()
}

// Fault is what goes wrong with a request.
type Fault int

// The faults. An Unknown one is not applied, AppliedUnknown is, and Late is applied after the request that comes next but
// one; the caller of all three learns nothing but api.ErrUnknown.
const (
	None Fault = iota
	Refused
	Unknown
	AppliedUnknown
	Late
)

// UpdateCheckpoint implements durable.Checkpoints.
func (g *Registry) UpdateCheckpoint(ctx context.Context, key string, r api.CheckpointRequest) (api.Checkpoint, error) {
	if ctx.Err() != nil {
		return api.Checkpoint{}, context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	fault := None
	if g.Break != nil {
		fault = g.Break(g.asked, r)
	}
	defer g.catchUp(1)
	switch fault {
	case Refused:
		return api.Checkpoint{}, api.ErrNoQuorum
	case Unknown:
		return api.Checkpoint{}, api.ErrUnknown
	case AppliedUnknown:
		_, _ = g.apply(key, r)
		return api.Checkpoint{}, api.ErrUnknown
	case Late:
		g.late = append(g.late, func() { _, _ = g.apply(key, r) })
		return api.Checkpoint{}, api.ErrUnknown
	}
	return g.apply(key, r)
}

// catchUp applies late requests until only keep of them are left.
func (g *Registry) catchUp(keep int) {
	for len(g.late) > keep {
		g.late[0]()
		g.late = g.late[1:]
	}
}

// CatchUp applies all late requests.
func (g *Registry) CatchUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.catchUp(0)
}

// Value returns what is stored under key, without fencing it.
func (g *Registry) Value(key string) []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]byte(nil), g.entries[key].Value...)
}

// Asked returns how many requests there were.
func (g *Registry) Asked() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

func (g *Registry) apply(key string, r api.CheckpointRequest) (api.Checkpoint, error) {
	c := g.entries[key]
	guard := fence.Guard{Current: c.Epoch}
	if err := guard.Admit(r.Epoch); err != nil {
		return api.Checkpoint{}, err
	}
	if r.Expect != 0 && r.Expect != c.Revision {
		return api.Checkpoint{}, fmt.Errorf("revision %d, not %d: %w", c.Revision, r.Expect, api.ErrConflict)
	}
	if r.Write || r.Epoch != c.Epoch || c.Revision == 0 {
		g.revision++
		c.Revision = g.revision
	}
	c.Key, c.Epoch = key, r.Epoch
	if r.Write {
		c.Value, c.Sum = append([]byte{}, r.Value...), r.Sum
	}
	if g.entries == nil {
		g.entries = map[string]api.Checkpoint{}
	}
	g.entries[key] = c
	c.Value = append([]byte(nil), c.Value...)
	return c, nil
}

// Region is durable.Region in memory.
type Region struct {
	mu     sync.Mutex
	guard  fence.Guard
	number uint64 // of the last write under the guard's epoch
	bytes  []byte
	cut    int  // bytes after which the next write breaks off; negative: never
	delay  bool // hold the next write up
	late   []func() error
}

// NewRegion returns a Region of size zero bytes.
func NewRegion(size int) *Region { return &Region{bytes: make([]byte, size), cut: -1} }

// Tear makes the next write break off after n bytes, with ErrCut.
func (r *Region) Tear(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = n
}

// Delay holds the next write up on its way: its caller gets ErrCut at once, and it comes when Land is called.
func (r *Region) Delay() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = true
}

// Land has all writes come that were held up, and returns what became of them.
func (r *Region) Land() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, write := range r.late {
		errs = append(errs, write())
	}
	r.late = nil
	return errs
}

// Damage changes the region's bytes behind the fence.
func (r *Region) Damage(f func(b []byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.bytes)
}

// Size implements durable.Region.
func (r *Region) Size() int64 { return int64(len(r.bytes)) }

// Fence implements durable.Region.
func (r *Region) Fence(_ context.Context, epoch fence.Epoch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admit(epoch)
}

func (r *Region) admit(epoch fence.Epoch) error {
	was := r.guard.Current
	if err := r.guard.Admit(epoch); err != nil {
		return err
	}
	if epoch != was {
		r.number = 0
	}
	return nil
}

// ReadAt implements durable.Region.
func (r *Region) ReadAt(_ context.Context, b []byte, offset int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	copy(b, r.bytes[offset:offset+int64(len(b))])
	return nil
}

// WriteAt implements durable.Region.
func (r *Region) WriteAt(ctx context.Context, epoch fence.Epoch, number uint64, b []byte, offset int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // as one behind a network: who knows how much of it was sent
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.delay {
		r.delay = false
		b = bytes.Clone(b)
		r.late = append(r.late, func() error { return r.write(epoch, number, b, offset) })
		return ErrCut
	}
	return r.write(epoch, number, b, offset)
}

func (r *Region) write(epoch fence.Epoch, number uint64, b []byte, offset int64) error {
	if err := r.admit(epoch); err != nil {
		return err
	}
	if number <= r.number {
		return fmt.Errorf("write %d after write %d: %w", number, r.number, api.ErrConflict)
	}
	r.number = number
	cut := r.cut
	r.cut = -1
	if cut >= 0 && cut < len(b) {
		copy(r.bytes[offset:], b[:cut])
		return ErrCut
	}
	copy(r.bytes[offset:offset+int64(len(b))], b)
	return nil
}
