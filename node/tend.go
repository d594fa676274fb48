package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/node/leaselog"
	"github.com/grafnode/grafnode/registry"
)

const (
	// tendEvery is how often the node looks after its place in the cluster when nothing tells it to.
	tendEvery = time.Second
	// tendPatience bounds one step of that.
	tendPatience = 5 * time.Second
)

// tend looks after the node's place in the cluster until ctx ends: it founds one with others or waits to be taken in, takes
// in others when it leads, and tells gossip what has become of it. One goroutine does all of it, one thing at a time.
func (n *Node) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	said := "" // so that waiting is logged when its reason changes, not every second
	for {
		if err := n.settle(ctx); err != nil && err.Error() != said {
			said = err.Error()
			n.log.Info("no cluster yet", "because", said)
		}
		if err := n.advertise(); err != nil {
			n.log.Warn("gossip was not told", "error", err)
		}
		n.takeIn(ctx)
		select {
		case <-ctx.Done():
			return
		case <-n.gossip.Changes():
		case <-tick.C:
		}
	}
}

// settle gives the node a cluster: by founding one, if it is to. It returns why there is none yet.
func (n *Node) settle(ctx context.Context) error {
	if cluster := n.registry.State().Cluster(); cluster != "" {
		if err := n.dir.bind(cluster); err != nil {
			n.fail(&ConfigError{"data-dir", err})
		}
		return nil
	}
	if has, err := n.registry.HasState(); err != nil || has {
		return err // part of a group; its leader will make itself heard
	}
	if n.cfg.BootstrapExpect == 0 {
		if len(n.cfg.Join) == 0 {
			return errors.New("waiting to be found: neither --join nor --bootstrap-expect was given")
		}
		return fmt.Errorf("waiting to be taken in by one of %v", n.cfg.Join)
	}
	a, err := assemble(n.dir.id, n.cfg.BootstrapExpect, n.gossip.Members())
	if err != nil {
		return err
	}
	if a.founder != n.dir.id {
		return fmt.Errorf("waiting for node %s to found it", a.founder)
	}
	ctx, cancel := context.WithTimeout(ctx, tendPatience)
	defer cancel()
	if err := n.promises.gather(ctx, a, askPromise); err != nil {
		return err
	}
	n.log.Info("founding a cluster", "nodes", len(a.peers))
	return n.registry.Bootstrap(a.peers)
}

// takeIn adds nodes that gossip has found to the Raft group, if this node leads it.
func (n *Node) takeIn(ctx context.Context) {
	for n.registry.IsLeader() && ctx.Err() == nil {
		servers, err := n.registry.Servers()
		if err != nil {
			return // closing
		}
		peer, gone, ok := nextVoter(n.registry.State().Cluster(), servers, n.gossip.Members())
		if !ok {
			return
		}
		if err := n.addVoter(ctx, peer, gone); err != nil {
			n.log.Warn("node was not taken in, will try again", "node", peer.ID, "address", peer.Address, "error", err)
			return
		}
		n.log.Info("node taken in", "node", peer.ID, "address", peer.Address)
	}
}

func (n *Node) addVoter(ctx context.Context, peer registry.Peer, gone locator.NodeID) error {
	ctx, cancel := context.WithTimeout(ctx, tendPatience)
	defer cancel()
	if gone != "" {
		n.log.Warn("node is replaced by another at its address", "gone", gone, "node", peer.ID, "address", peer.Address)
		if err := n.registry.RemoveServer(ctx, gone); err != nil {
			return err
		}
	}
	if err := n.registry.AddNonvoter(ctx, peer); err != nil {
		return err
	}
	return n.registry.Promote(ctx, peer.ID)
}

// advertise tells gossip what steers founding, taking in and placing.
func (n *Node) advertise() error {
	self, err := n.self()
	if err != nil || self == n.advertised {
		return err
	}
	n.advertised = self
	return n.gossip.Update(self)
}

func (n *Node) self() (membership.Self, error) {
	has, err := n.registry.HasState()
	if err != nil {
		return membership.Self{}, err
	}
	free := n.cfg.Memory - min(n.registry.State().Leased(n.dir.id), n.cfg.Memory)
	return membership.Self{HasState: has, Cluster: n.dir.cluster(), Free: free}, nil
}

// lead follows leadership until ctx ends: who leads keeps lease time.
func (n *Node) lead(ctx context.Context, news <-chan registry.Leadership) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-news:
			if l.Leads {
				n.keeper.Lead(l.Term, leaselog.Snapshot(n.registry.State()))
			} else {
				n.keeper.Follow()
			}
		}
	}
}
