package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/node/drain"
	"github.com/grafnode/grafnode/node/group"
	"github.com/grafnode/grafnode/node/leaselog"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
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
	for {
		if err := n.settle(ctx); err != nil {
			n.say.once("no cluster yet", []string{err.Error()})
		}
		if err := n.advertise(); err != nil {
			n.log.Warn("gossip was not told", "error", err)
		}
		n.lookAfter(ctx)
		n.resize(ctx)
		select {
		case <-ctx.Done():
			return
		case <-n.gossip.Changes():
		case <-n.reloaded:
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
		if len(n.cfg.Join) == 0 && n.cfg.JoinFile == "" {
			return errors.New("waiting to be found: none of --join, --join-file and --bootstrap-expect was given")
		}
		return fmt.Errorf("waiting to be taken in by one of %v %s", n.cfg.Join, n.cfg.JoinFile)
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
	if err := n.promises.gather(ctx, a, n.askPromise); err != nil {
		return err
	}
	n.log.Info("founding a cluster", "nodes", len(a.peers))
	return n.registry.Bootstrap(a.peers)
}

// lookAfter does what there is to do for the Raft group, one change after the other, if this node leads it.
func (n *Node) lookAfter(ctx context.Context) {
	for n.registry.IsLeader() && ctx.Err() == nil {
		v, err := n.view()
		if err != nil {
			return // closing
		}
		next, why := n.rules.Next(v, state.Level, time.Now())
		if next.Promote == "" {
			n.say.once("not taken in", why.Join)
		}
		if next.Promote == "" && v.Level < state.Level {
			n.say.once("level of the state stays as it is", why.Level)
		}
		step, what := n.step(next)
		if step == nil {
			return
		}
		stepping, cancel := context.WithTimeout(ctx, tendPatience)
		err = step(stepping)
		cancel()
		if err != nil {
			n.log.Warn("the group was not changed, will try again", "change", what, "error", err)
			return
		}
		n.log.Info("the group was changed", "change", what)
	}
	if !n.registry.IsLeader() {
		n.rules = group.Rules{} // what was seen in another term proves nothing
	}
}

func (n *Node) view() (group.View, error) {
	members, err := n.registry.Members()
	s := n.registry.State()
	return group.View{Cluster: s.Cluster(), Level: s.Level(), Group: members, Gossip: n.gossip.Members()}, err
}

// step returns how to make a change of the group, nil if there is none to make.
func (n *Node) step(next group.Step) (make func(context.Context) error, what string) {
	switch {
	case next.Promote != "":
		return func(ctx context.Context) error { return n.registry.Promote(ctx, next.Promote) }, fmt.Sprintf("node %s votes", next.Promote)
	case next.TakeIn.ID != "":
		return func(ctx context.Context) error { return n.takeIn(ctx, next.TakeIn, next.Gone) },
			fmt.Sprintf("node %s at %s is taken in", next.TakeIn.ID, next.TakeIn.Address)
	case next.Level != 0:
		return func(ctx context.Context) error {
			_, err := n.registry.Apply(ctx, state.Upgrade{Level: next.Level})
			return err
		}, fmt.Sprintf("the state goes from level %d to %d", n.registry.State().Level(), next.Level)
	default:
		return nil, ""
	}
}

func (n *Node) takeIn(ctx context.Context, peer registry.Peer, gone locator.NodeID) error {
	if gone != "" {
		n.log.Warn("node is replaced by another at its address", "gone", gone, "node", peer.ID, "address", peer.Address)
		if err := n.registry.RemoveServer(ctx, gone); err != nil {
			return err
		}
	}
	return n.registry.AddNonvoter(ctx, peer)
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
	memory := n.limits.Load().memory
	free := memory - min(n.registry.State().Leased(n.dir.id), memory)
	return membership.Self{
		HasState: has, Cluster: n.dir.cluster(), Free: free, Level: state.Level, Needs: n.registry.State().Level(),
	}, nil
}

// drainLook is how often it is looked whether a node is to be emptied.
const drainLook = 200 * time.Millisecond

// empty moves what lies on nodes that are being drained until ctx ends, while this node leads.
func (n *Node) empty(ctx context.Context) {
	d := drain.New(n.dir.id, n.registry, n.api, n.log)
	look := time.NewTicker(drainLook)
	defer look.Stop()
	for {
		for ctx.Err() == nil && d.Step(ctx) {
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// lead follows leadership until ctx ends: who leads keeps lease time.
func (n *Node) lead(ctx context.Context, news <-chan registry.Leadership) {
	present := func() leasebroker.Snapshot { return leaselog.Snapshot(n.registry.State()) }
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.restored:
			if term := n.registry.Term(); n.registry.IsLeader() {
				n.keeper.Lead(term, present) // all terms that there are now begin anew
			}
		case l := <-news:
			if l.Leads {
				n.keeper.Lead(l.Term, present)
			} else {
				n.keeper.Follow()
			}
		}
	}
}
