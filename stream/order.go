package stream

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"
)

// inOrder runs work on what next returns, on n goroutines, and gives the results to emit in the order of next, until next
// says that there is no more, as it does when its context has ended: that ends with stop, too. The first error ends it all.
// next and emit each run on one goroutine.
func inOrder[M, R any](
	ctx, stop context.Context, n int,
	next func(stop context.Context) (M, bool, error), work func(context.Context, M) R, emit func(context.Context, R) error,
) error {
	if n == 1 {
		stop, cancel := either(ctx, stop)
		defer cancel()
		for {
			m, more, err := next(stop)
			if err != nil || !more {
				return err
			}
			if err := emit(ctx, work(ctx, m)); err != nil {
				return err
			}
		}
	}
	type job struct {
		in  M
		out chan R
	}
	// Both channels hold the same jobs: queue in the order of the results, todo for whoever is free. A job is in queue
	// first, so at most n are under way and n wait.
	queue, todo := make(chan job, 2*n), make(chan job, n)
	g, ctx := errgroup.WithContext(ctx)
	stop, cancel := either(ctx, stop)
	defer cancel()
	g.Go(func() error {
		defer close(queue)
		defer close(todo)
		for {
			m, more, err := next(stop)
			if err != nil || !more {
				return err
			}
			j := job{m, make(chan R, 1)}
			for _, to := range []chan job{queue, todo} {
				select {
				case to <- j:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
	})
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for j := range todo {
				j.out <- work(ctx, j.in)
			}
		})
	}
	g.Go(func() error {
		for j := range queue {
			select {
			case r := <-j.out:
				if err := emit(ctx, r); err != nil {
					return err
				}
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	err := g.Wait()
	workers.Wait()
	return err
}
