package membership

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/grafnode/grafnode/locator"
)

// Nodes of two clusters can meet: a wrong seed, an address that was another's, or members of a cluster from before its
// recovery, which is another cluster since. The label that memberlist offers cannot keep them apart: a node does not know its
// cluster before it has been taken in, and a label that changes afterwards would cut the cluster in two while it changes.
// So each node says its cluster in its metadata, and who knows itself to be of another does not take it in.

// strangerGone is when a node of another cluster that is not heard of any more counts as gone: it would have looked for us
// several times in between.
const strangerGone = time.Minute

// belong says of which cluster this node is; it stays so.
func (c *cache) belong(cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cluster != cluster {
		c.cluster = cluster
		c.changedLocked()
	}
}

// foreignLocked reports whether a node of that cluster is of another than this one. c.mu is held.
func (c *cache) foreignLocked(cluster string) bool {
	return c.cluster != "" && cluster != "" && cluster != c.cluster
}

// NotifyAlive is memberlist's question whether to take in what n says of itself. A node of another cluster is refused: it is
// neither listed, nor probed, nor told to others.
func (c *cache) NotifyAlive(n *memberlist.Node) error {
	id := locator.NodeID(n.Name)
	m, err := decodeMeta(n.Meta)
	if err != nil || id == c.self {
		return nil // heard looks at it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.foreignLocked(m.cluster) {
		delete(c.strangers, id)
		return nil
	}
	why := fmt.Errorf("node %s is of cluster %s, this one of %s", id, m.cluster, c.cluster)
	was, met := c.strangers[id]
	if !met && len(c.strangers) >= knownMax {
		return why
	}
	c.strangers[id] = peer{meta: m, gossip: n.Address(), alive: true, seen: time.Now()}
	if was.meta.cluster != m.cluster {
		c.logger.Warn("node of another cluster refused: check --join, or wipe it if the cluster was recovered without it",
			"node", id, "gossip", n.Address(), "cluster", m.cluster, "ours", c.cluster)
		c.changedLocked()
	}
	return why
}

// foreigners returns the nodes of other clusters that have tried to gossip with this one lately, ordered by ID.
func (c *cache) foreigners() []Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []Member
	for id, p := range c.known {
		if p.listed && p.alive && c.foreignLocked(p.meta.cluster) {
			list = append(list, p.member(id)) // met before this node had a cluster
		}
	}
	for id, p := range c.strangers {
		if time.Since(p.seen) > strangerGone {
			delete(c.strangers, id)
		} else if !slices.ContainsFunc(list, func(m Member) bool { return m.ID == id }) {
			list = append(list, p.member(id))
		}
	}
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return list
}
