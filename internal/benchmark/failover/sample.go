package failover

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
	"github.com/grafnode/grafnode/lease"
)

// quietFor is how long commits are watched before a fault, for what their gaps are without one.
const quietFor = 100 * time.Millisecond

// quiet waits until all is calm and returns the longest gap of a while in which it stayed so.
func (d *director) quiet(ctx context.Context, pause time.Duration) (gap time.Duration, err error) {
	for {
		if err := d.calm(ctx, pause); err != nil {
			return 0, err
		}
		d.sink.Watch(now())
		if err := d.pass(ctx, quietFor); err != nil {
			return 0, err
		}
		gap, _ = d.sink.Watched(now())
		if d.whole() && d.arranged() {
			return gap, nil
		}
	}
}

// sample does one fault and returns what followed.
func (d *director) sample(ctx context.Context, pause time.Duration) (m plan.Sample, err error) {
	if m.Quiet, err = d.quiet(ctx, pause); err != nil {
		return m, err
	}
	before, place := d.edge.Generation, d.place()
	after := func() bool { return d.first > before && d.stored }
	d.trail, d.trailed, d.stored = nil, true, false
	fault, mend, err := d.strike(ctx)
	if err != nil {
		return m, err
	}
	if err = d.await(ctx, "a new item comes", missedAfter, after); isLate(err) {
		m.Missed = true
		err = d.await(ctx, "a new item comes", patience, after)
	}
	if err == nil {
		err = d.pass(ctx, settle)
	}
	if err != nil {
		return m, fmt.Errorf("after the fault: %w", err)
	}
	m.Place = place
	m.First, m.Phases = phases(d.trail, fault, before)
	m.Rewire = d.sink.During(fault.Add(left(m.Phases)), fault.Add(m.First))
	m.Gap, m.Stored = d.sink.Watched(now())
	d.trailed = false
	return m, mend()
}

// phases finds in what happened after a fault when what had, and the first new item above a generation.
func phases(trail []news, fault lease.Instant, before fence.Epoch) (first time.Duration, all []plan.Phase) {
	note := func(n news, what string, at lease.Instant) {
		all = append(all, plan.Phase{Name: string(n.Role) + " " + what, At: at.Sub(fault)})
	}
	for _, n := range trail {
		switch n.What {
		case firstItem:
			if n.Role == fabric.RoleConsumer && n.Generation > before && first == 0 {
				first = n.At.Sub(fault)
			}
		case claimed:
			note(n, "claimed", n.At)
		case rewired:
			for what, at := range n.Phases {
				note(n, what, at)
			}
		}
	}
	return first, append(all, plan.Phase{Name: "first new item", At: first})
}

// left returns when the producer had left its ring: at once, if it has not told.
func left(all []plan.Phase) time.Duration {
	for _, p := range all {
		if p.Name == string(fabric.RoleProducer)+" noticed" {
			return p.At
		}
	}
	return 0
}
