package failover

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/locator"
)

// director does the rounds: it waits until all is well, makes a fault, and notes what follows. All that it knows it has been told. It
// belongs to one goroutine.
type director struct {
	s    *system
	peer *peer // nil: there is none
	log  io.Writer

	ids    map[string]locator.NodeID
	ready  map[string]bool // nodes
	leader string
	dying  map[string]bool // processes that are to end

	round   plan.Round
	tasks   map[string]placed // stages, by name
	sink    *ledger.Ledger
	edge    edgeNews
	holder  map[fabric.Role]string      // who has a role
	bound   map[fabric.Role]fence.Epoch // which ring it has bound
	first   fence.Epoch                 // the ring in which the consumer has had a new item
	armed   fence.Epoch                 // the spare that the producer can move to
	waits   map[string]bool             // stages that wait for a role
	gone    map[string]bool             // stages that have ended
	pushed  uint64                      // by the producer, when it had ended
	ended   bool
	stored  bool   // something that was pushed after the fault was committed
	trail   []news // since the fault
	trailed bool   // there was one
	alarms  int    // moves that nothing was the reason for
	slow    uint64 // nodes that were given up by mistake
}

// placed is a stage, and beside which node it runs.
type placed struct {
	task
	node int
}

// patience is how long is waited for anything.
const patience = 60 * time.Second

// stored is told when the ledger has something that was pushed after the fault.
const stored happening = "stored"

func newDirector(s *system, log io.Writer) *director {
	return &director{s: s, log: log, ids: map[string]locator.NodeID{}, ready: map[string]bool{}, dying: map[string]bool{}}
}

// await takes news until ok returns true.
func (d *director) await(ctx context.Context, what string, limit time.Duration, ok func() bool) error {
	late := time.NewTimer(limit)
	defer late.Stop()
	for !ok() {
		select {
		case n := <-d.s.news:
			if err := d.take(n); err != nil {
				return err
			}
		case <-late.C:
			return fmt.Errorf("in %v it did not happen: %s (%s): %w", limit, what, d.state(), errLate)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// pass takes news for a while.
func (d *director) pass(ctx context.Context, while time.Duration) error {
	over := time.Now().Add(while)
	err := d.await(ctx, "", while, func() bool { return !time.Now().Before(over) })
	if isLate(err) {
		return nil
	}
	return err
}

// state is what the director knows, for an error.
func (d *director) state() string {
	spare := fence.Epoch(0)
	if d.edge.Spare != nil {
		spare = d.edge.Spare.Generation
	}
	return fmt.Sprintf("%s, generation %d on %s, spare %d, leader %q, ready %v, holders %v, bound %v, first item in %d, armed %d, waiting %v",
		d.edge.Name, d.edge.Generation, d.edge.node, spare, d.leader, d.ready, d.holder, d.bound, d.first, d.armed, d.waits)
}

// take notes what has happened.
func (d *director) take(n news) error {
	if d.trailed {
		d.trail = append(d.trail, n)
	}
	switch n.What {
	case ready:
		d.ready[n.Name] = true
	case leading:
		d.leader = n.Name
	case changed:
		if n.edge.Name == d.edge.Name {
			d.edge = n.edge
		}
	case stored:
		d.stored = true
	case exited:
		return d.exited(n)
	default:
		if _, ours := d.tasks[n.Name]; ours {
			d.told(n)
		} else if d.peer != nil {
			d.peer.take(n)
		}
	}
	return nil
}

// told notes what a stage tells.
func (d *director) told(n news) {
	switch n.What {
	case waiting:
		d.waits[n.Name] = true
	case claimed:
		d.holder[n.Role] = n.Name
		delete(d.waits, n.Name)
		if n.Role == fabric.RoleProducer {
			d.armed = 0
		}
	case bound:
		d.bound[n.Role] = n.Generation
	case firstItem:
		if n.Role == fabric.RoleConsumer {
			d.first = n.Generation
		}
	case armed:
		if n.Name == d.holder[fabric.RoleProducer] {
			d.armed = n.Generation
		}
	case ended:
		d.pushed, d.ended = n.Items, true
	case slow:
		d.slow += n.Items
	}
}

func (d *director) exited(n news) error {
	delete(d.s.procs, n.Name)
	stage, isStage := d.tasks[n.Name]
	if isStage {
		d.gone[n.Name] = true
		delete(d.waits, n.Name)
		if d.holder[stage.Role] == n.Name {
			delete(d.holder, stage.Role)
		}
	}
	if !d.dying[n.Name] {
		return fmt.Errorf("%s ended: %s: %s", n.Name, n.Cause, lab.Tail(d.s.log(n.Name)))
	}
	delete(d.dying, n.Name)
	return nil
}

// kill ends a process with SIGKILL, unless it has ended.
func (d *director) kill(name string) {
	if p := d.s.procs[name]; p != nil {
		d.dying[name] = true
		delete(d.ready, name)
		p.Kill()
	}
}

// serving reports whether every node serves.
func (d *director) serving() bool {
	return len(d.ready) == nodeCount && d.leader != "" && len(d.dying) == 0
}

// whole reports whether nothing is missing: every node serves, items flow, and what is to wait does.
func (d *director) whole() bool {
	if !d.serving() {
		return false
	}
	e := d.edge
	flows := e.Generation != 0 && d.first == e.Generation && d.bound[fabric.RoleProducer] == e.Generation &&
		!e.Producer.Free() && !e.Consumer.Free()
	if !flows || d.round.Spare && (e.Spare == nil || d.armed != e.Spare.Generation) {
		return false
	}
	return d.round.Standby == "" || len(d.waits) == 1
}

// calm waits until all has been whole, and nothing has moved, for a while.
func (d *director) calm(ctx context.Context, pause time.Duration) error {
	for {
		if err := d.await(ctx, "everything is whole", patience, d.whole); err != nil {
			return err
		}
		if moved, err := d.arrange(ctx); err != nil {
			return err
		} else if moved {
			continue
		}
		was := d.edge.Generation
		if err := d.pass(ctx, pause); err != nil {
			return err
		}
		switch {
		case d.edge.Generation != was:
			d.alarms++
		case d.whole() && d.arranged():
			return nil
		}
	}
}
