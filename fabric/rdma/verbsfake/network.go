package verbsfake

import (
	"math/rand/v2"
	"sync"

	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

// Network is where the pairs find each other. What happens next is drawn by seed; when, is for a goroutine that runs while there is something
// to do. Safe for concurrent use.
type Network struct {
	mu      sync.Mutex
	random  *rand.Rand
	pairs   []*Pair // not closed, in the order of their numbers
	numbers uint32
	keys    uint32
	held    bool
	running bool
	rest    sync.Cond // of mu: running is false
}

// NewNetwork returns one that is not held.
func NewNetwork(seed uint64) *Network {
	n := &Network{random: rand.New(rand.NewPCG(seed, 0)), numbers: 16, keys: 1}
	n.rest.L = &n.mu
	return n
}

// Hold stops everything that is under way, until Release.
func (n *Network) Hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = true
	for n.running {
		n.rest.Wait()
	}
}

// Release ends Hold.
func (n *Network) Release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = false
	n.start()
}

// Host returns a host's adapter, which has one port.
func (n *Network) Host(name string) *Host {
	h := &Host{network: n, open: map[*device]bool{}}
	h.port = verbs.Port{Device: name, Number: 1, MTU: 4096, WriteMax: 1 << 31}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.numbers++
	h.port.GID = verbs.GID{0: 0xfd, 14: byte(n.numbers >> 8), 15: byte(n.numbers)} // all in one network of 64 bits
	return h
}

// start has a goroutine take steps if there are any. The caller has mu.
func (n *Network) start() {
	if n.running || n.held {
		return
	}
	n.running = true
	go n.run()
}

func (n *Network) run() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for !n.held && n.step() {
		n.mu.Unlock() // between any two steps others may do something
		n.mu.Lock()
	}
	n.running = false
	n.rest.Broadcast()
}

// step lets one pair go on, and reports whether there was one that could.
func (n *Network) step() bool {
	var able []*Pair
	for _, p := range n.pairs {
		if p.able() {
			able = append(able, p)
		}
	}
	if len(able) == 0 {
		return false
	}
	able[n.random.IntN(len(able))].step()
	return true
}

func (n *Network) find(a verbs.Address) *Pair {
	for _, p := range n.pairs {
		if p.address.Number == a.Number && p.address.GID == a.GID {
			return p
		}
	}
	return nil
}

// Host is a host's adapter, which may be open more than once. It implements verbs.Provider.
type Host struct {
	network *Network
	port    verbs.Port
	open    map[*device]bool // guarded by network.mu, as of the next
	refuse  error
	cut     bool // what its pairs send is lost
	regions int  // not closed
	counts  Counts
}

// Counts are what a host's adapter was asked for, and did.
type Counts struct {
	Crossings   int // calls of a Pair's methods that an adapter's library would be entered for, once data flows
	Posts       int
	Writes      int
	Bytes       int // of writes that are not inline
	InlineBytes int // which were copied
	Receives    int // posted
	Polls       int
	Completions int
	Refused     int // writes of others that found no region
}

// Counts returns the counts.
func (h *Host) Counts() Counts {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	return h.counts
}

// Regions returns how many are registered.
func (h *Host) Regions() int {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	return h.regions
}

// Writable returns how many of them the other end may write.
func (h *Host) Writable() (n int) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	for _, p := range h.network.pairs {
		for _, r := range p.regions {
			if p.host == h && r.access&verbs.RemoteWrite != 0 && !r.closed {
				n++
			}
		}
	}
	return n
}

// Pairs returns those that are not closed.
func (h *Host) Pairs() []*Pair {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	var of []*Pair
	for _, p := range h.network.pairs {
		if p.host == h {
			of = append(of, p)
		}
	}
	return of
}

// Refuse has regions be refused, as by the limit of locked memory, until it is called with nil.
func (h *Host) Refuse(err error) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.refuse = err
}

// Cut has everything that the host's pairs send be lost from now on, which they find out when there is no answer.
func (h *Host) Cut() {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.cut = true
}
