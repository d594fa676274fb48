package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/benchmark/failover/ledger"
	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
)

// Hosts of the stages. Standbys are where no other stage is.
const (
	producerHost = 0
	consumerHost = 1
	standbyHost  = 2
)

// outcome is what came of a round.
type outcome struct {
	plan.Summary
	Pushed  uint64
	Account ledger.Account
	Alarms  int
	Slow    uint64
}

// do does a round with stages of its own.
func (d *director) do(ctx context.Context, r plan.Round, number int) (o outcome, err error) {
	if err := d.await(ctx, "all nodes serve", patience, d.serving); err != nil {
		return o, err
	}
	if err := d.ask(ctx, "the cluster is healthy", d.serving, d.known); err != nil {
		return o, err
	}
	if err := d.begin(r, number); err != nil {
		return o, err
	}
	var samples []plan.Sample
	for i, pause := range r.Pauses {
		began := time.Now()
		m, err := d.sample(ctx, pause)
		if err != nil {
			return o, fmt.Errorf("%s, fault %d: %w", r.Case(), i+1, err)
		}
		fmt.Fprintf(d.log, "%s\t%d\tfirst new %s ms\tgap %s ms\t%s\twhole again after %s ms\n", r.Case(), i+1, show(m.First), show(m.Gap), m.Place,
			show(time.Since(began)-pause-quietFor-m.First-settle))
		samples = append(samples, m)
	}
	if err := d.finish(ctx); err != nil {
		return o, fmt.Errorf("%s, at the end: %w", r.Case(), err)
	}
	return outcome{plan.Sum(samples), d.pushed, d.sink.Account(d.pushed), d.alarms, d.slow}, nil
}

// known fails unless the cluster is healthy and uses all that its nodes know: a producer that is refused a spare asks again half a
// minute later.
func (d *director) known(ctx context.Context) error {
	h, err := d.operator().Health(ctx)
	switch {
	case err != nil:
		return err
	case !h.Healthy || len(h.Servers) < nodeCount:
		return fmt.Errorf("the cluster is not healthy: %v", h.Problems)
	}
	for _, s := range h.Servers {
		if s.Level != h.Level {
			return fmt.Errorf("level %d is in use, %s knows %d", h.Level, s.Name, s.Level)
		}
	}
	return nil
}

// begin starts the stages.
func (d *director) begin(r plan.Round, number int) error {
	d.round, d.sink, d.alarms, d.slow, d.ended, d.pushed = r, ledger.New(), 0, 0, false, 0
	d.edge = edgeNews{}
	d.edge.Name = fmt.Sprintf("%sround-%d", edgePrefix, number)
	d.holder, d.bound, d.first, d.armed = map[fabric.Role]string{}, map[fabric.Role]fence.Epoch{}, 0, 0
	d.waits, d.gone, d.tasks = map[string]bool{}, map[string]bool{}, map[string]placed{}
	d.s.sink.Use(d.sink)
	d.add(number, fabric.RoleConsumer, consumerHost, "")
	d.add(number, fabric.RoleProducer, producerHost, "")
	switch r.Standby {
	case string(fabric.RoleConsumer):
		d.add(number, fabric.RoleConsumer, standbyHost, "-standby")
	case string(fabric.RoleProducer):
		d.add(number, fabric.RoleProducer, standbyHost, "-standby")
	}
	for _, t := range d.tasks {
		if err := d.s.startStage(t.node, t.task); err != nil {
			return err
		}
	}
	return nil
}

func (d *director) add(number int, role fabric.Role, node int, suffix string) {
	name := fmt.Sprintf("%s-%d%s", role, number, suffix)
	d.tasks[name] = placed{task{Name: name, Edge: d.edge.Name, Role: role, Rate: d.round.Rate, Spare: d.round.Spare}, node}
}

// finish ends what waits, then the producer, and waits until the consumer has had all.
func (d *director) finish(ctx context.Context) error {
	if err := d.await(ctx, "everything is whole", patience, d.whole); err != nil {
		return err
	}
	for name := range d.waits {
		d.kill(name)
	}
	for role := range d.holder {
		d.dying[d.holder[role]] = true
	}
	d.s.procs[d.holder[fabric.RoleProducer]].Stop()
	return d.await(ctx, "all stages have ended", patience, func() bool { return d.ended && len(d.gone) == len(d.tasks) })
}
