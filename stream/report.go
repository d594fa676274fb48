package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

const (
	reportEvery = time.Second
	gapsMax     = 1024 // that wait for the next report
	onceMax     = 16   // rewires of a side that wait for a report to be taken
)

// reporter is a cluster that takes reports. *client.Client is one.
type reporter interface {
	Report(ctx context.Context, r api.StageReport) error
}

// report sends a stage's counters to the cluster every second, if that takes them, until the returned function is called.
// A report that fails is left out, but what it told once is told by the next: a rewire is told when the node may just have been lost.
func (p *Pipeline) report(st *stage, sink func() *api.SinkReport, sides ...func() api.EdgeReport) (stop func()) {
	to, ok := p.cl.(reporter)
	if !ok {
		return func() {}
	}
	var untold api.StageReport
	send := func(ctx context.Context) {
		r := api.StageReport{Stage: p.fullName(st.name)}
		for _, side := range sides {
			r.Edges = append(r.Edges, side())
		}
		if sink != nil {
			r.Sink = sink()
		}
		tellAgain(&r, untold)
		untold = r
		ctx, cancel := context.WithTimeout(ctx, reportEvery)
		defer cancel()
		if to.Report(ctx, r) == nil {
			untold = api.StageReport{}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() {
		tick := time.NewTicker(reportEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				send(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		loop.Wait()
		send(context.Background()) // the last word
	}
}

// tellAgain puts in front of what r tells once what was did, whose sides are the same; of too much, the last.
func tellAgain(r *api.StageReport, was api.StageReport) {
	for i := range was.Edges {
		old, now := was.Edges[i], &r.Edges[i]
		now.Rewires = newest(onceMax, old.Rewires, now.Rewires)
		now.Traces = newest(onceMax, old.Traces, now.Traces)
	}
	if was.Sink != nil {
		r.Sink.Gaps = newest(gapsMax, was.Sink.Gaps, r.Sink.Gaps)
	}
}

// newest returns the last n of a and b.
func newest[T any](n int, a, b []T) []T {
	if len(a) == 0 {
		return b
	}
	all := slices.Concat(a, b)
	return all[max(0, len(all)-n):]
}

// gaps counts what a sink did, and measures the time from one commit of items to the next.
type gaps struct {
	mu      sync.Mutex
	commits uint64
	items   uint64
	fenced  uint64
	last    time.Time
	seconds []float64
}

func (g *gaps) committed(items int) {
	if items == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	if !g.last.IsZero() && len(g.seconds) < gapsMax {
		g.seconds = append(g.seconds, now.Sub(g.last).Seconds())
	}
	g.last = now
	g.commits++
	g.items += uint64(items)
}

// failed counts a commit that was refused because the epoch is over.
func (g *gaps) failed(err error) {
	if !errors.Is(err, fence.ErrFenced) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fenced++
}

// report returns the counters and forgets the gaps.
func (g *gaps) report() *api.SinkReport {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := &api.SinkReport{Commits: g.commits, Items: g.items, Fenced: g.fenced, Gaps: g.seconds}
	g.seconds = nil
	return r
}
