package verbsfake

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// Pair is one end of a connection. It implements verbs.Pair.
type Pair struct {
	host    *Host
	device  *device // nil: of none that is to be closed
	network *Network
	address verbs.Address
	room    verbs.Room
	woken   chan struct{} // of capacity one: an event, or Wake

	// Guarded by network.mu.
	peer     *verbs.Address // nil: not connected
	regions  []*Region
	posted   []verbs.Write // not landed yet; of the first one, the last half may have
	torn     int           // bytes of the first of posted that have yet to land, after the rest of it; zero: all have
	free     int           // writes that may still be posted
	unsaid   int           // writes that are done since the last completion of one
	receives int           // posted
	late     []late        // completions that Poll does not know of yet
	ready    []verbs.Completion
	armed    bool
	mute     bool
	failNext verbs.Status
	failed   bool
	closed   bool
}

// late is a completion, and how many posted writes it gives back.
type late struct {
	verbs.Completion
	frees int
}

// NewPair is verbs.Device's.
func (h *Host) NewPair(r verbs.Room) (verbs.Pair, error) { return h.newPair(r, nil), nil }

func (h *Host) newPair(r verbs.Room, of *device) *Pair {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	n.numbers++
	p := &Pair{
		host: h, device: of, network: n, room: r, free: r.Writes, woken: make(chan struct{}, 1),
		address: verbs.Address{GID: h.port.GID, Number: n.numbers, MTU: h.port.MTU},
	}
	n.pairs = append(n.pairs, p)
	return p
}

// Mute has no completion come any more, here.
func (p *Pair) Mute() {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	p.mute = true
}

// FailNext has the next write that would land fail.
func (p *Pair) FailNext(s verbs.Status) {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	p.failNext = s
}

// Region returns the i-th that was registered, if it is not closed.
func (p *Pair) Region(i int) verbs.Region {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	return p.regions[i]
}

// Local implements verbs.Pair.
func (p *Pair) Local() verbs.Address { return p.address }

// Region is registered memory. It implements verbs.Region.
type Region struct {
	pair   *Pair
	memory []byte
	key    uint32
	access verbs.Access
	closed bool
}

// Register implements verbs.Pair.
func (p *Pair) Register(memory []byte, a verbs.Access) (verbs.Region, error) {
	n := p.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.host.refuse != nil {
		return nil, p.host.refuse
	}
	n.keys += 0x101
	r := &Region{pair: p, memory: memory, key: n.keys, access: a}
	p.regions = append(p.regions, r)
	p.host.regions++
	return r, nil
}

// LocalKey implements verbs.Region.
func (r *Region) LocalKey() uint32 { return r.key }

// Remote implements verbs.Region.
func (r *Region) Remote() verbs.Remote {
	return verbs.Remote{At: r.at(), Bytes: uint64(len(r.memory)), Key: r.key}
}

// Bytes returns a copy of what stands there.
func (r *Region) Bytes() []byte {
	r.pair.network.mu.Lock()
	defer r.pair.network.mu.Unlock()
	return bytes.Clone(r.memory)
}

func (r *Region) at() uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(r.memory)))) }

// within returns where in r n bytes at an address lie, and whether they do.
func (r *Region) within(at uint64, n int) (from uint64, ok bool) {
	from = at - r.at()
	return from, from <= uint64(len(r.memory)) && uint64(n) <= uint64(len(r.memory))-from
}

// Close implements verbs.Region.
func (r *Region) Close() error {
	r.pair.network.mu.Lock()
	defer r.pair.network.mu.Unlock()
	r.close()
	return nil
}

func (r *Region) close() {
	if !r.closed {
		r.closed = true
		r.pair.host.regions--
	}
}

// Connect implements verbs.Pair.
func (p *Pair) Connect(peer verbs.Address, r verbs.Retry) error {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	switch {
	case p.failed || p.peer != nil:
		return errors.New("verbsfake: connected before, or failed")
	case r.NotReady > 6 || r.Count > 7 || r.AckTimeout <= 0:
		return fmt.Errorf("verbsfake: retry %+v is not finite", r)
	}
	p.peer = &peer
	return nil
}

// Post implements verbs.Pair.
func (p *Pair) Post(ws []verbs.Write) error {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	c := &p.host.counts
	c.Crossings++
	c.Posts++
	switch {
	case p.closed || p.peer == nil:
		return errors.New("verbsfake: not connected")
	case len(ws) > p.free:
		return fmt.Errorf("verbsfake: %d writes with room for %d", len(ws), p.free)
	}
	for _, w := range ws {
		if err := p.check(w); err != nil {
			return err
		}
		c.Writes++
		if w.Inline {
			c.InlineBytes += len(w.Local)
			w.Local = append([]byte(nil), w.Local...)
		} else {
			c.Bytes += len(w.Local)
		}
		p.free--
		p.posted = append(p.posted, w)
	}
	p.network.start()
	return nil
}

// check refuses what an adapter's library, or the adapter, would.
func (p *Pair) check(w verbs.Write) error {
	if uint64(len(w.Local)) > p.host.port.WriteMax {
		return fmt.Errorf("verbsfake: a write of %d bytes, at most %d", len(w.Local), p.host.port.WriteMax)
	}
	if w.Inline {
		if len(w.Local) > p.room.Inline {
			return fmt.Errorf("verbsfake: %d bytes inline, at most %d", len(w.Local), p.room.Inline)
		}
		return nil
	}
	at := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(w.Local))))
	for _, r := range p.regions {
		if _, ok := r.within(at, len(w.Local)); ok && r.key == w.Key && !r.closed {
			return nil
		}
	}
	return fmt.Errorf("verbsfake: %d bytes at %#x are not in the region %#x", len(w.Local), at, w.Key)
}

// PostReceives implements verbs.Pair.
func (p *Pair) PostReceives(n int) error {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	if p.peer != nil {
		p.host.counts.Crossings++
	}
	p.host.counts.Receives += n
	if p.receives += n; p.receives > p.room.Receives {
		return fmt.Errorf("verbsfake: %d receives, at most %d", p.receives, p.room.Receives)
	}
	return nil
}

// Poll implements verbs.Pair.
func (p *Pair) Poll(into []verbs.Completion) (int, error) {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	p.host.counts.Crossings++
	p.host.counts.Polls++
	n := copy(into, p.ready)
	p.ready = p.ready[n:]
	p.armed = n == 0
	p.host.counts.Completions += n
	return n, nil
}

// Wait implements verbs.Pair.
func (p *Pair) Wait() error {
	<-p.woken
	return nil
}

// Wake implements verbs.Pair.
func (p *Pair) Wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

// Fail implements verbs.Pair.
func (p *Pair) Fail() error {
	p.network.mu.Lock()
	defer p.network.mu.Unlock()
	p.fail()
	p.network.start()
	return nil
}

// Close implements verbs.Pair.
func (p *Pair) Close() error {
	n := p.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if p.closed {
		return nil
	}
	p.fail()
	p.closed = true
	for _, r := range p.regions {
		r.close()
	}
	for i := range n.pairs {
		if n.pairs[i] == p {
			n.pairs = append(n.pairs[:i:i], n.pairs[i+1:]...)
			break
		}
	}
	return nil
}
