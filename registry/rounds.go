package registry

import (
	"context"
	"sync"
)

// rounds runs a costly check once for everybody who was waiting when it began: at most one is under way and one is queued,
// however many ask. Who joins never gets the answer of a round that had begun before.
type rounds struct {
	run func(context.Context) error

	mu      sync.Mutex
	queued  *round
	running bool
	done    sync.WaitGroup
}

type round struct {
	over chan struct{} // closed when err is set
	err  error
}

// join waits for a round that begins now or later. ctx ends the waiting, life ends the rounds.
func (r *rounds) join(ctx, life context.Context) error {
	r.mu.Lock()
	if r.queued == nil {
		r.queued = &round{over: make(chan struct{})}
	}
	mine := r.queued
	if !r.running {
		r.running = true
		r.done.Go(func() { r.loop(life) })
	}
	r.mu.Unlock()
	select {
	case <-mine.over:
		return mine.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *rounds) loop(life context.Context) {
	for {
		r.mu.Lock()
		next := r.queued
		r.queued = nil
		if next == nil {
			r.running = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		next.err = r.run(life)
		close(next.over)
	}
}

// wait blocks until no round is running. Nobody may join any more.
func (r *rounds) wait() { r.done.Wait() }
