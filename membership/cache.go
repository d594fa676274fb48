package membership

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/grafnode/grafnode/locator"
)

// knownMax bounds how many members are remembered, so that a peer that makes up names cannot fill the memory.
const knownMax = 4096

// cache is what this node knows of the others: its own copy, made inside memberlist's callbacks. To ask memberlist instead
// would be a data race, since it goes on changing the nodes that it hands out. The callbacks run under its lock: they must
// not call it, nor block.
type cache struct {
	self   locator.NodeID
	logger *slog.Logger

	mu        sync.Mutex
	known     map[locator.NodeID]*peer
	cluster   string                  // this node's; empty: it has none yet
	strangers map[locator.NodeID]peer // nodes of other clusters that have been refused; see strangers.go

	changes chan struct{} // capacity 1: for the user
	dirty   chan struct{} // capacity 1: for the peers file
}

// peer is a node that was heard of once.
type peer struct {
	meta   meta
	gossip string // host:port
	rumour string // another address that something with this ID has gossiped from, refused so far; empty: none
	alive  bool
	silent bool      // did not answer this node's own last probe
	listed bool      // heard of in this life, not only read from the peers file
	seen   time.Time // last known to be alive
}

func newCache(self locator.NodeID, logger *slog.Logger) *cache {
	return &cache{
		self: self, logger: logger, known: make(map[locator.NodeID]*peer), strangers: make(map[locator.NodeID]peer),
		changes: make(chan struct{}, 1), dirty: make(chan struct{}, 1),
	}
}

func (p peer) health() Health {
	switch {
	case p.alive && p.silent:
		return Suspect
	case p.alive:
		return Alive
	case p.meta.leaving:
		return Left
	}
	return Dead
}

func (p peer) member(id locator.NodeID) Member {
	return Member{
		ID: id, Name: p.meta.name, Zone: p.meta.zone, Address: p.meta.address, Gossip: p.gossip,
		Health: p.health(), Free: p.meta.free, Expect: p.meta.expect, HasState: p.meta.hasState,
		Cluster: p.meta.cluster, Version: p.meta.version, Level: p.meta.level, Needs: p.meta.needs, Direct: p.meta.direct,
	}
}

// members returns copies of those that are not of another cluster, ordered by ID.
func (c *cache) members() []Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]Member, 0, len(c.known))
	for id, p := range c.known {
		if p.listed && !c.foreignLocked(p.meta.cluster) {
			list = append(list, p.member(id))
		}
	}
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list
}

// NotifyJoin is memberlist's word that a node is alive that was not, or has changed its address.
func (c *cache) NotifyJoin(n *memberlist.Node) { c.heard(n) }

// NotifyUpdate is memberlist's word that a node says something else of itself.
func (c *cache) NotifyUpdate(n *memberlist.Node) { c.heard(n) }

// heard copies what n says. What cannot be understood is ignored: a new node is not listed, a known one stays as it was.
func (c *cache) heard(n *memberlist.Node) {
	id := locator.NodeID(n.Name)
	m, err := decodeMeta(n.Meta)
	if err == nil {
		err = checkText(n.Name)
	}
	if err != nil {
		c.logger.Warn("member ignored", "node", n.Name, "gossip", n.Address(), "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[id] == nil && len(c.known) >= knownMax {
		c.logger.Warn("member ignored: too many are known", "node", id, "known", knownMax)
		return
	}
	c.known[id] = &peer{meta: m, gossip: n.Address(), alive: true, listed: true, seen: time.Now()}
	c.changedLocked()
}

// NotifyLeave is memberlist's word that a node has left or is given up. It does not say which of the two: a node that
// leaves says so itself before, in its metadata.
func (c *cache) NotifyLeave(n *memberlist.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.known[locator.NodeID(n.Name)]; p != nil {
		p.alive, p.seen = false, time.Now()
		c.changedLocked()
	}
}

// NotifyConflict is memberlist's word that two addresses claim one ID: a copied data directory, or a node that has come back
// elsewhere before the old one was given up for long enough. The second is looked for until it is accepted: by then it has
// no reason to speak up again, since it sees everybody.
func (c *cache) NotifyConflict(existing, other *memberlist.Node) {
	known, refused := existing.Address(), other.Address()
	c.logger.Warn("two addresses for one node", "node", existing.Name, "known", known, "refused", refused)
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.known[locator.NodeID(existing.Name)]; p != nil {
		p.rumour = refused
	}
}

// probeFailed notes that a node did not answer a direct probe. The result keeps memberlist's second try, over TCP, on.
func (c *cache) probeFailed(name string) (disable bool) {
	c.probed(name, true)
	return false
}

// NotifyPingComplete notes that a node has answered a direct probe.
func (c *cache) NotifyPingComplete(n *memberlist.Node, _ time.Duration, _ []byte) {
	c.probed(n.Name, false)
}

// AckPayload adds nothing to this node's own answers.
func (c *cache) AckPayload() []byte { return nil }

func (c *cache) probed(name string, silent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.known[locator.NodeID(name)]; p != nil && p.silent != silent {
		p.silent = silent
		if p.alive {
			c.changedLocked()
		}
	}
}

func (c *cache) changedLocked() {
	for _, signal := range []chan struct{}{c.changes, c.dirty} {
		select {
		case signal <- struct{}{}:
		default:
		}
	}
}

// gossipOf returns the address of a listed member; empty: not listed.
func (c *cache) gossipOf(id locator.NodeID) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.known[id]; p != nil {
		return p.gossip
	}
	return ""
}

// missing returns the addresses to look for: seeds and what was known once, without those that are alive now, and whether
// nobody but this node is. What has left, or has not been seen for forget, is not looked for.
func (c *cache) missing(seeds []string, forget time.Duration) (addresses []string, alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	alone = true
	present := make(map[string]bool)
	for id, p := range c.known {
		if p.alive {
			present[p.gossip] = true
			alone = alone && id == c.self
		}
	}
	addresses = slices.Clone(seeds)
	for id, p := range c.known {
		switch {
		case p.alive:
		case time.Since(p.seen) > forget:
			delete(c.known, id)
		case !p.meta.leaving:
			addresses = append(addresses, p.gossip)
			if p.rumour != "" {
				addresses = append(addresses, p.rumour)
			}
		}
	}
	slices.Sort(addresses)
	addresses = slices.DeleteFunc(slices.Compact(addresses), func(a string) bool { return present[a] })
	return addresses, alone
}
