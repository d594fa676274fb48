package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// farewell bounds each step of Drain: when all nodes stop at once there is nobody left to take over or to listen.
const farewell = 2 * time.Second

// Drain says good-bye before Close: leadership goes to another node and gossip is told, so that nobody has to find out. Rings and
// sessions are left as they are: a node that is back within their terms, as after an upgrade, takes them over again
// and nothing moves. With Config.DrainFor the rings are moved to other nodes first, and nobody waits for it to be back. Every step is
// tried, for a short while; ctx bounds them all. An error says that rings were not moved. A good-bye for which there is no time, or nobody to
// hear it, is none: the others find out, as after a crash.
func (n *Node) Drain(ctx context.Context) error {
	n.draining.Store(true)
	var stay error
	if n.cfg.DrainFor > 0 {
		moving, cancel := context.WithTimeout(ctx, n.cfg.DrainFor)
		stay = n.evacuate(moving)
		cancel()
	}
	if servers, err := n.registry.Servers(); err == nil && len(servers) > 1 && n.registry.IsLeader() {
		n.bid(ctx, "leadership was not handed over", func(ctx context.Context) error { return n.registry.Transfer(ctx, "") })
	}
	n.bid(ctx, "gossip was not told in time that this node leaves", n.gossip.Leave)
	return stay
}

// bid says one good-bye.
func (n *Node) bid(ctx context.Context, unheard string, goodBye func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	if err := goodBye(ctx); err != nil {
		n.log.Info(unheard+": the others find out", "error", err)
	}
}

// evacuateLook is how often it is asked what is left on the node.
const evacuateLook = 20 * time.Millisecond

// evacuate has the leader move this node's rings, and waits until none is left.
func (n *Node) evacuate(ctx context.Context) error {
	command := state.DrainNode{Node: n.dir.id, Drain: api.DrainUntilStart}
	if err := n.registry.State().Admits(command); err != nil {
		return fmt.Errorf("the node's rings stay: %w", err)
	}
	asked, left := false, api.DrainStatus{}
	for {
		status, err := n.leader.Drain(ctx, n.dir.id, asked)
		switch {
		case err == nil && status.Rings+status.Spares == 0:
			n.log.Info("the node's rings have been moved", "leases_that_stay", status.Stay)
			return nil
		case err == nil:
			asked, left = true, status
		case errors.Is(err, api.ErrNoRoom), errors.Is(err, api.ErrNotFound):
			return fmt.Errorf("the node's rings stay: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d rings and %d spares of %v were not moved in time: %w", left.Rings, left.Spares, left.Edges, errors.Join(context.Cause(ctx), err))
		case <-time.After(evacuateLook):
		}
	}
}
