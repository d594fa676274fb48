package failover

import (
	"context"
	"errors"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

const (
	// missedAfter is how long after a fault the first new item may come; later it counts as missed.
	missedAfter = 10 * time.Second
	// settle is how long after it commits are watched.
	settle = 50 * time.Millisecond
	// againAfter is how long is waited after the cluster refused to be arranged as a fault needs it.
	againAfter = 50 * time.Millisecond
	// silentHost is the host that is cut off: the stages run on the others.
	silentHost = nodeCount - 1
)

// errLate says that something did not happen in time.
var errLate = errors.New("too late")

func isLate(err error) bool { return errors.Is(err, errLate) }

func now() lease.Instant { return boottime.Now() }

// arranged reports whether the ring and the leader are where this kind of fault needs them.
func (d *director) arranged() bool {
	switch d.round.Kind {
	case plan.RingNode, plan.RingAlone:
		return d.leader != d.edge.node
	case plan.LeaderToo:
		return d.leader == d.edge.node
	case plan.HostSilent:
		return d.edge.node == d.s.nodes[silentHost].Name && d.leader != d.edge.node
	}
	return true
}

// arrange has the cluster change that, and reports whether there was anything to change: then all is to be whole again first.
func (d *director) arrange(ctx context.Context) (moved bool, err error) {
	if d.arranged() {
		return false, nil
	}
	silent := d.s.nodes[silentHost].Name
	if d.round.Kind == plan.HostSilent && d.edge.node != silent {
		was := d.edge.Generation
		away := []string{d.s.nodes[producerHost].Name, d.s.nodes[consumerHost].Name}
		return true, d.ask(ctx, "the ring comes to "+silent, func() bool { return d.edge.Generation > was }, d.relocate(away...))
	}
	to := d.edge.node
	if d.round.Kind != plan.LeaderToo {
		to = d.s.nodes[(d.s.index(d.edge.node)+1)%nodeCount].Name
	}
	return true, d.ask(ctx, to+" leads", func() bool { return d.leader == to }, func(ctx context.Context) error {
		id, err := d.id(ctx, to)
		if err == nil {
			_, err = d.operator().TransferLeadership(ctx, api.TransferRequest{To: id})
		}
		return err
	})
}

// ask asks the cluster for something until it has happened.
func (d *director) ask(ctx context.Context, what string, happened func() bool, ask func(context.Context) error) error {
	over := time.Now().Add(patience)
	for {
		err := ask(ctx)
		if err == nil || ctx.Err() != nil || time.Now().After(over) {
			if waited := d.await(ctx, what, patience, happened); waited != nil {
				return errors.Join(waited, err)
			}
			return nil
		}
		if err := d.pass(ctx, againAfter); err != nil {
			return err
		}
	}
}

// relocate asks for a planned move of the ring away from nodes.
func (d *director) relocate(away ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		avoid := make([]locator.NodeID, len(away))
		for i, name := range away {
			var err error
			if avoid[i], err = d.id(ctx, name); err != nil {
				return err
			}
		}
		_, err := d.operator().Move(ctx, d.edge.Name, api.RelocateRequest{Avoid: avoid})
		return err
	}
}

// operator is the node that is asked for such things; it passes them on to the leader.
func (d *director) operator() *client.API { return d.s.observer.API(d.s.nodes[0].Name) }

// id returns the ID of a node, which it keeps for ever.
func (d *director) id(ctx context.Context, node string) (locator.NodeID, error) {
	if id, ok := d.ids[node]; ok {
		return id, nil
	}
	s, err := d.s.observer.API(node).Status(ctx)
	if err == nil {
		d.ids[node] = s.Node
	}
	return s.Node, err
}

// place says where the ring lies, for people.
func (d *director) place() string {
	for role, holder := range d.holder {
		if d.s.nodes[d.tasks[holder].node].Name == d.edge.node {
			return string(role) + "'s host"
		}
	}
	return "third host"
}

// strike makes a fault, and returns when that was, and what makes its damage good.
func (d *director) strike(ctx context.Context) (fault lease.Instant, mend func() error, err error) {
	mend = func() error { return nil }
	fault = now()
	reached := d.sink.Watch(fault)
	switch d.round.Kind {
	case plan.RingNode, plan.RingAlone, plan.LeaderToo:
		victim := d.edge.node
		d.kill(victim)
		mend = func() error { return d.restart(victim, func() error { return d.s.startNode(d.s.index(victim)) }) }
	case plan.Consumer, plan.Producer:
		role := fabric.RoleConsumer
		if d.round.Kind == plan.Producer {
			role = fabric.RoleProducer
		}
		stage := d.tasks[d.holder[role]]
		d.kill(stage.Name)
		mend = func() error {
			return d.restart(stage.Name, func() error { return d.s.startStage(stage.node, stage.task) })
		}
	case plan.HostSilent:
		err = d.s.net.Cut(silentHost)
		reached = d.sink.Watch(now()) // while the command ran, items still came through
		mend = func() error { return d.s.net.Heal(silentHost) }
	case plan.Planned:
		err = d.relocate(d.edge.node)(ctx)
	}
	d.announce(reached)
	return fault, mend, err
}

// announce makes news of it when the ledger has something that was pushed after the fault.
func (d *director) announce(reached <-chan struct{}) {
	d.s.all.Go(func() {
		select {
		case <-reached:
			d.s.emit(news{What: stored})
		case <-d.s.ctx.Done():
		}
	})
}

// restart starts a process again once it has gone.
func (d *director) restart(name string, start func() error) error {
	if err := d.await(d.s.ctx, name+" has gone", patience, func() bool { return !d.dying[name] }); err != nil {
		return err
	}
	delete(d.gone, name)
	return start()
}
