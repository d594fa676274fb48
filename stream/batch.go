package stream

import (
	"context"
	"time"
)

// batches collects what comes in and gives it to flush, up to most at a time, once wait has passed since the first of
// them at the latest. It returns after the last flush when in is closed.
func batches[M any](ctx context.Context, in <-chan M, most int, wait time.Duration, flush func(context.Context, []M) error) error {
	late := time.NewTimer(wait)
	late.Stop()
	defer late.Stop()
	batch := make([]M, 0, most)
	for {
		open, full := true, true
		select {
		case m, ok := <-in:
			if open = ok; ok {
				batch = append(batch, m)
			}
			if full = len(batch) == most; ok && len(batch) == 1 {
				late.Reset(wait)
			}
		case <-late.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if (full || !open) && len(batch) > 0 {
			late.Stop()
			if err := flush(ctx, batch); err != nil {
				return err
			}
			clear(batch)
			batch = batch[:0]
		}
		if !open {
			return nil
		}
	}
}
