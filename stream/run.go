package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/handoff"
)

// restartAfter is how long a stage waits before it starts over in place.
const restartAfter = 50 * time.Millisecond

var (
	// errStopped is why a stage has stopped reading, and its answer once it has drained.
	errStopped = errors.New("stream: stopped")
	// errDrained is why a stage that was to stop is given up.
	errDrained = errors.New("stream: what was under way has not been acknowledged in time")
	// errOther is why a stage is given up whose neighbour in this process has failed.
	errOther = errors.New("stream: another stage failed")
)

// RunOption changes one Run.
type RunOption func(*runOptions)

type runOptions struct{ only []string }

// Stages runs the named stages in this process, and leaves the others to other processes.
func Stages(names ...string) RunOption {
	return func(o *runOptions) { o.only = append(o.only, names...) }
}

// Run runs the pipeline's stages, or those that Stages names, and blocks until they end. A stage whose role another live
// session has waits as its standby. The roles stay with this process's session when Run has returned; a standby elsewhere
// gets them when that session ends.
//
//   - nil: the source has ended, and all of it is acknowledged by the stages that ran here.
//   - ctx.Err(): ctx has ended. The sources stopped reading, what was under way was drained, for at most the time that
//     Drain says, and the rest will be read again.
//   - fence.ErrFenced: another process has taken a stage over. Running again makes this one its standby.
//   - any other error names the stage that cannot go on. The other stages were given up.
//
// A stage that loses its session starts over in place. A stage may end before those that feed it in other processes, and if one
// of them dies then, or the ring between with the last acknowledgement, this stage is needed once more: so keep all stages
// running, by running them again, until the source's has ended. Running a pipeline that has ended passes its end through again and
// repeats nothing. A stage that has ended is run again only when Run has returned, so when all that run here have ended: if one of two branches
// ends, and the stage that feeds both dies in another process and makes more for that branch than its Capacity holds, the other branch
// waits for ever. Run branches that meet nowhere else in processes of their own, or with the stage that feeds them.
//
// A standby does not learn that its stage has ended in another process, unless the stages that feed it have ended here: it waits
// until ctx ends. Two processes that are standbys of each other for the same stages, each with the roles of some, so keep each other
// from running again what has ended: a stage that is to have a standby is run by itself, or together with all that come before it.
func (p *Pipeline) Run(ctx context.Context, opts ...RunOption) error {
	var o runOptions
	for _, opt := range opts {
		opt(&o)
	}
	if err := p.check(); err != nil {
		return err
	}
	stages, err := p.pick(o.only)
	if err != nil {
		return err
	}
	err = p.runStages(ctx, stages)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errStopped):
		return ctx.Err()
	}
	return fmt.Errorf("pipeline %s: %w", p.name, err)
}

func (p *Pipeline) pick(only []string) ([]*stage, error) {
	if len(only) == 0 {
		return p.stages, nil
	}
	var picked []*stage
	for _, name := range only {
		i := slices.IndexFunc(p.stages, func(st *stage) bool { return st.name == name })
		if i < 0 {
			return nil, fmt.Errorf("pipeline %s has no stage %q; it has %s", p.name, name, strings.Join(p.Stages(), ", "))
		}
		if !slices.Contains(picked, p.stages[i]) {
			picked = append(picked, p.stages[i])
		}
	}
	return picked, nil
}

// runStages runs each stage on a goroutine. When ctx ends, a stage stops reading once those before it that run here
// have drained: so what a source has read still goes through to the sink. errStopped is the least of errors.
func (p *Pipeline) runStages(ctx context.Context, stages []*stage) error {
	hard, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	defer context.AfterFunc(ctx, func() {
		if sleep(hard, p.conf.drain) == nil {
			giveUp(errDrained)
		}
	})()
	done, ended := map[*stage]chan struct{}{}, map[*stage]*atomic.Bool{}
	for _, st := range stages {
		done[st], ended[st] = make(chan struct{}), &atomic.Bool{}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	for _, st := range stages {
		before := afterAll(&all, st, done)
		stop, release := stopAfter(&all, ctx, hard, before, func() bool { return st.dry(ended) })
		all.Go(func() {
			defer close(done[st])
			defer release()
			err := p.runStage(hard, stop, before, st)
			if err == nil || errors.Is(err, errStopped) && st.dry(ended) {
				ended[st].Store(true)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if first == nil || errors.Is(first, errStopped) {
				first = err
			}
			if !errors.Is(err, errStopped) {
				giveUp(errOther)
			}
		})
	}
	all.Wait()
	return first
}

// dry reports whether all stages that feed st ran here and have ended: then all that it could be sent has had its effect. That this
// process did not have the role is no reason to wait for it then: whoever has it may be waiting for a role that this process keeps.
func (st *stage) dry(ended map[*stage]*atomic.Bool) bool {
	for _, in := range st.ins {
		if up, here := ended[in.from]; !here || !up.Load() {
			return false
		}
	}
	return len(st.ins) > 0
}

// afterAll returns what is closed when all stages before st that run here are done: nil if there are none.
func afterAll(all *sync.WaitGroup, st *stage, done map[*stage]chan struct{}) <-chan struct{} {
	var before []<-chan struct{}
	for _, in := range st.ins {
		if up, here := done[in.from]; here {
			before = append(before, up)
		}
	}
	if len(before) < 2 {
		return append(before, nil)[0]
	}
	last := make(chan struct{})
	all.Go(func() {
		defer close(last)
		for _, up := range before {
			<-up
		}
	})
	return last
}

// stopAfter returns a context that ends with errStopped once both ctx and the stages before have ended, or these if dry says that it is
// enough, or else with hard. Nothing runs before a stage that is first in this process: before is nil then.
func stopAfter(
	all *sync.WaitGroup, ctx, hard context.Context, before <-chan struct{}, dry func() bool,
) (stop context.Context, release func()) {
	stop, cancel := context.WithCancelCause(hard)
	all.Go(func() {
		if before != nil {
			select {
			case <-before:
			case <-stop.Done():
				return
			}
			if dry() {
				cancel(errStopped)
				return
			}
		}
		select {
		case <-ctx.Done():
			cancel(errStopped)
		case <-stop.Done():
		}
	})
	return stop, func() { cancel(nil) }
}

// runStage runs instance after instance of a stage until one ends for good: nil if the stage has ended, errStopped if it was
// stopped or given up.
func (p *Pipeline) runStage(ctx, stop context.Context, before <-chan struct{}, st *stage) error {
	for {
		err := st.run(ctx, stop, before)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil, stop.Err() != nil && (errors.Is(err, errStopped) || errors.Is(err, context.Canceled)):
			return fmt.Errorf("stage %s: %w: %w", st.name, errStopped, err)
		case !startsOver(err):
			return fmt.Errorf("stage %s: %w", st.name, err)
		}
		p.conf.events.restarted(p.fullName(st.name), err)
		if sleep(stop, restartAfter) != nil {
			return fmt.Errorf("stage %s: %w", st.name, errStopped)
		}
	}
}

// startsOver reports whether a new instance, with new roles, may go on where this one could not. It regenerates what a damaged ring had
// kept.
func startsOver(err error) bool {
	return errors.Is(err, api.ErrSessionLost) || errors.Is(err, api.ErrUnknown) || errors.Is(err, handoff.ErrDamaged)
}

// claim takes a stage's roles, waiting as its standby if need be.
func (p *Pipeline) claim(ctx context.Context, st *stage, codecs map[string]string) (*edge.Roles, []edge.Option, error) {
	s := edge.Stage{Name: p.fullName(st.name), Codecs: codecs}
	for _, in := range st.ins {
		s.Consumes = append(s.Consumes, in.name)
	}
	for _, out := range st.outs {
		s.Produces = append(s.Produces, out.name)
	}
	opts := []edge.Option{edge.Capacity(p.conf.capacity), edge.Observe(p.conf.events.Edge)}
	roles, err := edge.Claim(ctx, p.cl, s, append(opts, edge.Standby())...)
	return roles, slices.Clip(append(opts, edge.Claimed(roles))), err
}

// codecID returns what stands in the record of an edge that carries T by c.
func codecID[T any](c edge.Codec[T]) string {
	hash, err := edge.CodecHash[T](edge.UseCodec(c))
	if err != nil {
		panic("stream: " + err.Error()) // UseCodec of T fits T
	}
	return hash
}

// sleep waits d, or returns ctx's cause if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// retryWait is how long to wait before try number n, from 1.
func retryWait(first time.Duration, n int) time.Duration {
	d := first
	for range n - 1 {
		d = min(2*d, retryWaitMax)
	}
	return min(d, retryWaitMax)
}
