package edgetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

func nodeID(i int) locator.NodeID { return locator.NodeID(fmt.Sprintf("n%d", i)) }

// KillHost ends a node, the rings that lie on it, and the processes beside it, for d: a host that loses power. It reports
// whether there is such a host, and another one that lives.
func (c *Cluster) KillHost(i int, d time.Duration) bool {
	if !c.stopNode(i, d, true) {
		return false
	}
	for _, p := range c.Clients() {
		if p.home == nodeID(i) {
			p.Kill()
		}
	}
	return true
}

// RestartNode ends a node for d, and not its host: rings to which both sides are attached from there go on, until their leases
// end, and are the returned node's; to all others the way is lost.
func (c *Cluster) RestartNode(i int, d time.Duration) bool { return c.stopNode(i, d, false) }

// stopNode takes a node down for d, and the rings on it: all, or those that somebody has reached through it.
func (c *Cluster) stopNode(i int, d time.Duration, all bool) bool {
	node := nodeID(i)
	abroad := map[*ring]bool{}
	for _, p := range c.Clients() {
		for _, s := range p.attached() {
			abroad[s.ring] = abroad[s.ring] || p.home != node
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i >= c.nodes || c.down[node] || len(c.down)+1 >= c.nodes {
		return false
	}
	c.down[node] = true
	time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.down, node)
	})
	for _, r := range c.rings {
		switch {
		case r.node != node:
		case all || abroad[r]:
			r.lose()
		case d > lease.TTLDefault: // nobody renews it
			time.AfterFunc(lease.TTLDefault, func() { r.arena.Seal(fabric.ErrLeaseExpired) })
		}
	}
	return true
}

// place returns a node for an edge's next arena, or none.
func (c *Cluster) place(name string, avoid ...locator.NodeID) locator.NodeID {
	for i := range c.nodes {
		if n := nodeID((int(c.top[name]) + 1 + i) % c.nodes); !c.down[n] && !slices.Contains(avoid, n) {
			return n
		}
	}
	return ""
}

// grant makes an arena under the edge's next generation.
func (c *Cluster) grant(rec api.Edge, node locator.NodeID) (locator.Locator, error) {
	if node == "" { // then one that is to be avoided, or even is down
		node = cmp.Or(c.place(rec.Name), nodeID(0))
	}
	c.top[rec.Name]++
	gen := c.top[rec.Name]
	id := lease.NewID().Arena()
	arena, err := c.arena(fabric.Config{Arena: id, Edge: rec.Name, Generation: gen, Capacity: int(rec.Capacity)})
	if err != nil {
		return locator.Locator{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	c.rings[id] = &ring{arena: arena, node: node, judge: &c.judge, pace: c.pace, thrifty: c.thrifty, lost: make(chan struct{})}
	return locator.Locator{
		Kind: locator.Queue, Node: node, Zone: "z", Address: "127.0.0.1:1", Arena: id, Generation: gen, Bytes: rec.Capacity,
	}, nil
}
