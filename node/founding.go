package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/atomicfile"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

// Founding a cluster. Gossip finds the nodes that are to do it, but it may show two nodes two different sets, and two Raft
// groups would come of that. So gossip only starts things: of the nodes that a node sees, the one with the lowest ID is the
// founder, and it founds only after each of the others has promised, durably, to found with nobody else. A node keeps
// its first promise for ever; a founder has promised itself. Two sets with a node in common thus never both found.
//
// A founder that dies before it has founded leaves promises behind. It goes on when it is back; if it is gone for good, an
// operator removes the promise ("founder" in the data directory) from the others.

// assembly is what gossip says about founding.
type assembly struct {
	founder locator.NodeID
	peers   []registry.Peer // by ID, exactly as many as expected
}

// assemble returns who founds the cluster if self is a party to it, or why nobody does yet. expect is self's own.
func assemble(self locator.NodeID, expect int, members []membership.Member) (assembly, error) {
	var peers []registry.Peer
	for _, m := range members {
		switch {
		case m.Health != membership.Alive:
			continue
		case m.Cluster != "" || m.HasState:
			return assembly{}, fmt.Errorf("node %s (%s) has a cluster: waiting to be taken in", m.ID, m.Address)
		case m.Expect == 0:
			continue // founds nothing
		case m.Expect != expect:
			return assembly{}, fmt.Errorf("node %s (%s) was told --bootstrap-expect %d, this node %d: they must agree",
				m.ID, m.Address, m.Expect, expect)
		}
		peers = append(peers, registry.Peer{ID: m.ID, Address: m.Address})
	}
	if len(peers) < expect {
		return assembly{}, fmt.Errorf("%d of %d nodes that found the cluster are here", len(peers), expect)
	}
	slices.SortFunc(peers, func(a, b registry.Peer) int { return strings.Compare(string(a.ID), string(b.ID)) })
	peers = peers[:expect]
	if !slices.ContainsFunc(peers, func(p registry.Peer) bool { return p.ID == self }) {
		return assembly{}, errors.New("the founders are complete without this node: waiting to be taken in")
	}
	return assembly{founder: peers[0].ID, peers: peers}, nil
}

// promises is a node's word on founding. It is safe for concurrent use.
type promises struct {
	self   locator.NodeID
	expect int
	path   string
	taken  func() (bool, error) // whether this node has state of its own already

	mu sync.Mutex
}

// Promise promises r.Founder to found with nobody else, durably, or says why not. The same founder may ask again.
func (p *promises) Promise(r api.FoundRequest) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.expect == 0 || len(r.Nodes) != p.expect:
		return api.Errorf(api.KindConflict, "node %s founds with %d nodes, not %d", p.self, p.expect, len(r.Nodes))
	case !slices.Contains(r.Nodes, p.self) || !slices.Contains(r.Nodes, r.Founder):
		return api.Errorf(api.KindInvalid, "founder %s and node %s must both be among the nodes", r.Founder, p.self)
	}
	if taken, err := p.taken(); err != nil {
		return err
	} else if taken {
		return api.Errorf(api.KindConflict, "node %s has a cluster already", p.self)
	}
	was, err := p.read()
	switch {
	case err != nil:
		return err
	case was == r.Founder:
		return nil
	case was != "":
		return api.Errorf(api.KindConflict, "node %s has promised to found with %s", p.self, was)
	}
	if err := atomicfile.Write(p.path, []byte(r.Founder+"\n")); err != nil {
		return fmt.Errorf("keep a promise: %w", err)
	}
	return nil
}

func (p *promises) read() (locator.NodeID, error) {
	b, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return locator.NodeID(strings.TrimSpace(string(b))), err
}

// gather asks every node of a for its promise, this one first. It returns nil if all have given it.
func (p *promises) gather(ctx context.Context, a assembly, ask func(ctx context.Context, address string, r api.FoundRequest) error) error {
	r := api.FoundRequest{Founder: a.founder}
	for _, peer := range a.peers {
		r.Nodes = append(r.Nodes, peer.ID)
	}
	if err := p.Promise(r); err != nil {
		return err
	}
	for _, peer := range a.peers {
		if peer.ID == p.self {
			continue
		}
		if err := ask(ctx, peer.Address, r); err != nil {
			return fmt.Errorf("node %s does not promise: %w", peer.ID, err)
		}
	}
	return nil
}
