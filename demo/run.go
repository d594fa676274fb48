package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/grafnode/grafnode/demo/internal/event"
	"github.com/grafnode/grafnode/demo/internal/plan"
	"github.com/grafnode/grafnode/demo/internal/report"
	"github.com/grafnode/grafnode/demo/internal/timeline"
	"github.com/grafnode/grafnode/demo/internal/view"
	"github.com/grafnode/grafnode/examples/accesslog"
	"github.com/grafnode/grafnode/examples/accesslog/check"
	"github.com/grafnode/grafnode/internal/lab"
	"github.com/grafnode/grafnode/internal/version"
)

// raftHeartbeat is shorter than a node's default: the demo's network is one machine.
const raftHeartbeat = 200 * time.Millisecond

// patience is how long the store may get nowhere, on top of what the rate itself makes it wait.
const patience = 60 * time.Second

// ErrDamage says that the store does not hold what the input gives.
var ErrDamage = errors.New("the store differs from the input")

// streams are what a run reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run does all of it: nil only if nothing is lost or doubled.
func run(ctx context.Context, c Config, s streams) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "grafnode-demo-")
	if err != nil {
		return inputErrorf("temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	in, err := openInput(ctx, c, dir, s.in)
	if err != nil {
		return err
	}
	if c.Store == "" {
		c.Store = filepath.Join(dir, "store.db")
	}
	if c.Store, err = filepath.Abs(c.Store); err != nil {
		return err
	}
	if c.Rate == 0 {
		c.Rate = max(float64(in.lines)/flowSeconds, 0.1)
	}
	progress := s.out
	if c.JSON {
		progress = s.err
	}
	r, err := underFire(ctx, c, in, dir, progress)
	if err != nil {
		return err
	}
	return publish(r, c, s)
}

// underFire runs the pipeline over the input, does the kills, and checks what has come of it.
func underFire(ctx context.Context, c Config, in input, dir string, progress io.Writer) (report.Report, error) {
	start := time.Now()
	t := timeline.New(start, accesslog.EdgeIngest, accesslog.EdgeParse, accesslog.EdgeEnrich)
	v := view.New(progress, t, in.lines)
	defer v.Close()
	v.Note("%s: %d lines at %.0f lines/s, %d nodes, seed %d", in.name, in.lines, c.Rate, c.Nodes, c.Seed)
	d := &director{
		lines: in.lines, kills: plan.Make(c.Kill, c.Seed), t: t, view: v,
		patience: patience + time.Duration(3/c.Rate*float64(time.Second)),
		nodes:    map[string]bool{}, down: map[string]bool{}, finished: map[string]bool{},
	}
	if err := direct(ctx, d, c, in, dir); err != nil {
		return report.Report{}, err
	}
	took := time.Since(start)
	v.Frame(time.Now())
	found, err := compare(ctx, in.path, c.Store)
	if err != nil {
		return report.Report{}, fmt.Errorf("check the store: %w", err)
	}
	return report.New(report.Run{
		Version: version.Release, Input: in.name, Generated: in.generated, Seed: c.Seed, Nodes: c.Nodes, Rate: c.Rate,
		Took: took, NotReached: d.notReached(),
	}, found, t), nil
}

// direct has the director's processes run until it is done, and leaves none.
func direct(ctx context.Context, d *director, c Config, in input, dir string) error {
	nodes, err := lab.Plan(c.Nodes, dir)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		d.nodes[n.Name] = false
	}
	events := make(chan event.Event, 1024)
	ended := make(chan struct{})
	emit := func(e event.Event) {
		select {
		case events <- e:
		case <-ended:
		}
	}
	o, err := newObserver(nodes, emit)
	if err != nil {
		return err
	}
	l, err := newBench(dir, emit)
	if err != nil {
		return err
	}
	observing, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer func() { // nobody reads events any more, so nobody may wait to be read
		close(ended)
		stop()
		l.Close()
		watching.Wait()
	}()
	d.kill = l.Kill
	d.begin = func() { l.startStages(nodes, accesslog.Config{Input: in.path, Store: c.Store, Rate: c.Rate}) }
	l.startNodes(nodes)
	watching.Go(func() { o.Run(observing) })
	return explain(d.run(ctx, events), l, c.Report)
}

// explain adds to a failure what the processes' logs say, and saves them.
func explain(err error, l *bench, dir string) error {
	var broken *brokenError
	var stalled *stalledError
	switch {
	case errors.As(err, &broken):
		return fmt.Errorf("%w: %s", err, l.tail(broken.process))
	case errors.As(err, &stalled):
		logs, saveErr := l.saveLogs(dir)
		return errors.Join(fmt.Errorf("%w (logs in %s)", err, logs), saveErr)
	}
	return err
}

// compare makes the store one file again and checks it.
func compare(ctx context.Context, input, store string) (check.Result, error) {
	if err := accesslog.Tidy(ctx, store); err != nil {
		return check.Result{}, err
	}
	f, err := os.Open(input)
	if err != nil {
		return check.Result{}, err
	}
	defer f.Close()
	return check.Compare(ctx, f, store)
}

// publish saves the report, shows it, and returns ErrDamage if it is bad.
func publish(r report.Report, c Config, s streams) error {
	page, err := r.Save(c.Report)
	if err != nil {
		return fmt.Errorf("save the report: %w", err)
	}
	if c.JSON {
		err = r.JSON(s.out)
	} else if err = r.Text(s.out); err == nil {
		_, err = fmt.Fprintln(s.out, "report:", page)
	}
	if err == nil && !r.OK() {
		err = fmt.Errorf("%w: %d lost, %d doubled, %d wrong", ErrDamage, r.Lost, r.Doubled, r.Wrong)
	}
	return err
}
