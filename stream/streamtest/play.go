package streamtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/stream"
)

// Play runs a pipeline to its end, whatever happens to it meanwhile: every stage in a process of its own, or several in one, at
// times with standbys; processes that end are started again. describe is called for each process, and is to return the same pipeline each
// time. What lives longer than a process, such as what a sink has stored, is made outside of it. Checkpoints need no store.
func (w *World) Play(describe func(cl edge.Cluster) *stream.Pipeline) {
	w.Helper()
	p := describe(w.process("nobody"))
	w.play(p.Stages(), p.Sources(), func(ctx context.Context, cl edge.Cluster, stages []string) error {
		return describe(cl).Run(ctx, stream.Stages(stages...))
	})
}

// playMax is how long a run may take, in made-up time.
const playMax = 3 * time.Hour

// PlayStages is Play for a program that has its own way to run some stages of a pipeline until they end. The first one is its source.
func (w *World) PlayStages(stages []string, run func(ctx context.Context, cl edge.Cluster, stages []string) error) {
	w.Helper()
	w.play(stages, stages[:1], run)
}

// play runs all stages until the sources have ended.
func (w *World) play(stages, sources []string, run func(context.Context, edge.Cluster, []string) error) {
	w.Helper()
	limit, cancel := context.WithTimeout(context.Background(), playMax)
	defer cancel()
	ctx, end := context.WithCancel(limit)
	defer end()
	groups := w.split(stages)
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, group := range groups {
		ended := func() {
			mu.Lock()
			defer mu.Unlock()
			sources = slices.DeleteFunc(slices.Clone(sources), func(name string) bool { return slices.Contains(group, name) })
			if len(sources) == 0 {
				end()
			}
		}
		instances := 1
		if len(group) == 1 && w.n(3) == 0 { // standbys of several stages may wait for each other: see stream.Pipeline.Run
			instances = 2
		}
		for range instances {
			all.Go(func() { w.keep(ctx, group, run, ended) })
		}
	}
	all.Go(func() { w.vex(ctx) })
	all.Wait()
	w.processes.Wait()
	if limit.Err() != nil {
		w.Errorf("after %v the pipeline has not ended", playMax)
	}
}

// split says which stages share a process.
func (w *World) split(stages []string) (groups [][]string) {
	size := []int{1, 1, 2, len(stages)}[w.n(4)]
	for len(stages) > size {
		groups, stages = append(groups, stages[:size]), stages[size:]
	}
	return append(groups, stages)
}

// keep runs one process after the other, until all stages have ended: one that has may be needed again.
func (w *World) keep(ctx context.Context, stages []string, run func(context.Context, edge.Cluster, []string) error, ended func()) {
	again := 50 * time.Millisecond
	for ctx.Err() == nil {
		err := w.live(ctx, stages, run)
		switch {
		case err == nil:
			ended()
			again = min(2*again, 5*time.Second)
		case ctx.Err() == nil && !mayBe(err):
			w.Errorf("stage %s: %v", strings.Join(stages, ", "), err)
			return
		}
		_ = wait(ctx, w.exp(again))
	}
}

// live is the life of one process. What it still has under way when it is killed comes late, beside what the next one does.
func (w *World) live(ctx context.Context, stages []string, run func(context.Context, edge.Cluster, []string) error) error {
	p := w.process(strings.Join(stages, "+"))
	ctx, kill := context.WithCancelCause(context.WithValue(ctx, theProcess{}, p))
	ended := make(chan error, 1)
	w.processes.Go(func() {
		defer kill(nil)
		defer p.EndSession()
		err := run(ctx, p, stages)
		if err != nil {
			err = errors.Join(err, context.Cause(ctx))
		}
		ended <- err
	})
	select {
	case err := <-ended:
		return err
	case <-p.Killed():
		kill(errKilled)
		return errKilled
	}
}
