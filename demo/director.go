package demo

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/plan"
	"github.com/grafnode/grafnode/demo/internal/timeline"
	"github.com/grafnode/grafnode/demo/internal/view"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/fabric"
)

// director watches the run and decides: when the stages start, what is killed when, when it is over. It starts and kills
// nothing itself. It belongs to one goroutine.
type director struct {
	lines    uint64
	patience time.Duration // without progress, before giving up
	kills    []plan.Kill   // still to be done
	kill     func(process string)
	begin    func() // starts the stages
	nodes    map[string]bool
	t        *timeline.Timeline
	view     *view.View

	begun    bool
	down     map[string]bool // processes that were killed and are not back
	finished map[string]bool // stages of which an instance has finished
	stored   time.Time       // when ingest finished: all that it read is stored
	calm     time.Time       // since when everything has been up and recovered; zero: it is not
	moved    time.Time       // when the store last got on
	line     uint64          // how far it was then
}

// brokenError says that a process cannot run at all. Its log says why.
type brokenError struct{ process, cause string }

func (e *brokenError) Error() string { return fmt.Sprintf("%s does not run: %s", e.process, e.cause) }

// stalledError says that nothing gets on any more.
type stalledError struct {
	line uint64
	wait time.Duration
}

func (e *stalledError) Error() string {
	return fmt.Sprintf("stuck: nothing was stored for %v, at line %d", e.wait.Round(time.Second), e.line)
}

// frameEvery is how often the picture is redrawn, and how often it is looked whether a kill is due.
const frameEvery = 100 * time.Millisecond

// run takes events until all stages have finished.
func (d *director) run(ctx context.Context, events <-chan event.Event) error {
	frames := time.NewTicker(frameEvery)
	defer frames.Stop()
	d.moved = time.Now()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case e := <-events:
			if err := d.take(e); err != nil {
				return err
			}
		case now := <-frames.C:
			if err := d.look(now); err != nil {
				return err
			}
			d.view.Frame(now)
		}
		if d.over(time.Now()) {
			return nil
		}
	}
}

// take notes an event.
func (d *director) take(e event.Event) error {
	d.t.Add(e)
	d.view.Event(e)
	switch e.Kind {
	case event.Exited:
		return d.exited(e)
	case event.Started, event.Ready:
		delete(d.down, e.Process)
		if !d.begun && d.allReady(e.Process) {
			d.begun = true
			d.begin()
		}
	}
	return nil
}

// usageStatus is how a child ends that was started wrongly: to start it again cannot help.
const usageStatus = "exit status 2"

func (d *director) exited(e event.Event) error {
	if e.Cause == usageStatus {
		return &brokenError{e.Process, e.Cause}
	}
	d.calm = time.Time{}
	if e.Cause != "" {
		d.down[e.Process] = true
		return nil
	}
	for _, i := range instances {
		if i.process == e.Process {
			d.finished[i.stage] = true
		}
	}
	if d.finished[accesslog.StageIngest] && d.stored.IsZero() {
		d.stored = e.At
	}
	return nil
}

// allReady notes that a node is ready and reports whether all are.
func (d *director) allReady(node string) bool {
	if _, ok := d.nodes[node]; ok {
		d.nodes[node] = true
	}
	for _, ready := range d.nodes {
		if !ready {
			return false
		}
	}
	return true
}

// lastGrace is how long stages may take to finish once all is stored.
const lastGrace = 3 * time.Second

// over reports whether all is stored, and every stage has finished or had time to.
func (d *director) over(now time.Time) bool {
	if d.stored.IsZero() {
		return false
	}
	for _, stage := range accesslog.Stages {
		if !d.finished[stage] {
			return now.Sub(d.stored) >= lastGrace
		}
	}
	return true
}

// look gives up if nothing gets on, and does the next kill if it is due.
func (d *director) look(now time.Time) error {
	if line := d.t.Line(); line != d.line {
		d.line, d.moved = line, now
	}
	if waited := now.Sub(d.moved); waited > d.patience {
		return &stalledError{d.line, waited}
	}
	if !d.isCalm() {
		d.calm = time.Time{}
		return nil
	}
	if d.calm.IsZero() {
		d.calm = now
	}
	if len(d.kills) == 0 || !d.due(d.kills[0], now) {
		return nil
	}
	victim, edge := d.victim(d.kills[0].What)
	if victim == "" || d.down[victim] {
		return nil // not known yet
	}
	killed := event.Event{At: time.Now(), Kind: event.Killed, Process: victim, What: string(d.kills[0].What), Edge: edge}
	d.kills, d.calm = d.kills[1:], time.Time{}
	err := d.take(killed) // before the signal, so that nothing that follows from it is noted earlier
	d.kill(victim)
	return err
}

// isCalm reports whether everything is up and has recovered.
func (d *director) isCalm() bool {
	if !d.begun || len(d.down) > 0 {
		return false
	}
	last, any := d.t.Last()
	return !any || last.Recovered()
}

// due reports whether the store has got far enough for a kill, but not to the end, and the pause is over.
func (d *director) due(k plan.Kill, now time.Time) bool {
	line := d.t.Line()
	far := line > 0 && line >= uint64(k.Progress*float64(d.lines)) && line < d.lines
	return far && now.Sub(d.calm) >= k.Pause
}

// victim returns the process to be killed, empty if it is not known, and the edge that is sure to suffer, empty if none is.
func (d *director) victim(w plan.What) (process, edge string) {
	switch w {
	case plan.RingNode:
		return d.t.Edge(accesslog.EdgeParse).Node, accesslog.EdgeParse
	case plan.Leader:
		return d.t.Leader(), ""
	case plan.Ingest:
		return d.t.Holder(accesslog.EdgeIngest, fabric.RoleProducer), accesslog.EdgeIngest
	case plan.Parse:
		return d.t.Holder(accesslog.EdgeParse, fabric.RoleProducer), accesslog.EdgeParse
	case plan.Enrich:
		return d.t.Holder(accesslog.EdgeParse, fabric.RoleConsumer), accesslog.EdgeParse
	case plan.Store:
		return d.t.Holder(accesslog.EdgeEnrich, fabric.RoleConsumer), accesslog.EdgeEnrich
	default:
		panic("demo: no such victim: " + string(w))
	}
}

// notReached returns the kills that the run ended before.
func (d *director) notReached() []string {
	names := make([]string, len(d.kills))
	for i, k := range d.kills {
		names[i] = string(k.What)
	}
	return names
}
