// Package rounds shares a costly question among all who ask it.
//
// It promises that nobody gets the answer of a round that began before he asked, and that at most one round is under way and one
// is waiting, however many ask. It does not retry and knows no time. Package registry uses it for reads, and raftguard for
// asking each follower whom it follows.
package rounds

import (
	"context"
	"sync"
)

// Rounds runs a question once for everybody who was waiting when it began. It must not be copied.
type Rounds[T any] struct {
	ask  func(context.Context) (T, error)
	life context.Context

	mu      sync.Mutex
	queued  *round[T]
	running bool
	done    sync.WaitGroup
}

type round[T any] struct {
	over   chan struct{} // closed when answer and err are set
	answer T
	err    error
}

// New makes rounds of ask, which is called by one goroutine at a time, with a context that ends with life.
func New[T any](life context.Context, ask func(context.Context) (T, error)) *Rounds[T] {
	return &Rounds[T]{ask: ask, life: life}
}

// Join waits for a round that begins now or later, or for the end of ctx.
func (r *Rounds[T]) Join(ctx context.Context) (T, error) {
	r.mu.Lock()
	if r.queued == nil {
		r.queued = &round[T]{over: make(chan struct{})}
	}
	mine := r.queued
	if !r.running {
		r.running = true
		r.done.Go(r.loop)
	}
	r.mu.Unlock()
	select {
	case <-mine.over:
		return mine.answer, mine.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func (r *Rounds[T]) loop() {
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
		next.answer, next.err = r.ask(r.life)
		close(next.over)
	}
}

// Wait blocks until no round is running. Nobody may join any more.
func (r *Rounds[T]) Wait() { r.done.Wait() }
