package stream

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
)

const (
	reportEvery = time.Second
	gapsMax     = 1024 // that wait for the next report
)

// reporter is a cluster that takes reports. *client.Client is one.
type reporter interface {
	Report(ctx context.Context, r api.StageReport) error
}

// report sends a stage's counters to the cluster every second, if that takes them, until the returned function is called.
// A report that fails is left out.
func (p *Pipeline) report(st *stage, sink func() *api.SinkReport, sides ...func() api.EdgeReport) (stop func()) {
	to, ok := p.cl.(reporter)
	if !ok {
		return func() {}
	}
	send := func(ctx context.Context) {
		r := api.StageReport{Stage: p.fullName(st.name)}
		for _, side := range sides {
			r.Edges = append(r.Edges, side())
		}
		if sink != nil {
			r.Sink = sink()
		}
		ctx, cancel := context.WithTimeout(ctx, reportEvery)
		defer cancel()
		_ = to.Report(ctx, r)
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
