// Package rounds shares a costly question among all who ask it.
//
// It promises that nobody gets the answer of a round that began before he asked, and that at most one round is under way and one
// is waiting, however many ask. It does not retry and knows no time. Package registry uses it for reads, and raftguard for
// asking each follower whom it follows.
package rounds

import (
	"context"
	"errors"
	"sync"
)

// Rounds runs a question once for everybody who was waiting when it began. It must not be copied.
type Rounds[T any] struct {
	ask  func(context.Context) (T, error)
	life context.Context

	mu      sync.Mutex
	queued  *round[T]
	running bool
	closed  bool
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

// ErrClosed says that no more questions are asked.
var ErrClosed = errors.New("rounds are closed")

// Join waits for a round that begins now or later, or for the end of ctx.
func (r *Rounds[T]) Join(ctx context.Context) (T, error) {
	var none T
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return none, ErrClosed
	}
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

// Close refuses further questions and waits until those that were asked are answered, which the end of life should hasten.
func (r *Rounds[T]) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.done.Wait()
}
