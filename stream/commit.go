package stream

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/position"
)

// committer commits batches to a sink, one at a time, and knows what is committed.
type committer[T any] struct {
	sink  Sink[T]
	epoch fence.Epoch
	conf  settings
	doubt bool // the outcome of the last Commit is open

	mu   sync.Mutex
	done position.Vector
}

// claim fences the sink and reads what is done. One that cannot be asked is asked again, like a commit that failed.
func (c *committer[T]) claim(ctx context.Context) error {
	for try := 1; ; try++ {
		err := c.settle(ctx)
		if err == nil || errors.Is(err, fence.ErrFenced) || try > c.conf.retries {
			return err
		}
		if err := sleep(ctx, retryWait(c.conf.retryWait, try)); err != nil {
			return err
		}
	}
}

// settle asks the sink what is done.
func (c *committer[T]) settle(ctx context.Context) error {
	done, err := c.sink.Claim(ctx, c.epoch)
	if err != nil {
		return fmt.Errorf("claim sink under epoch %d: %w", c.epoch, err)
	}
	if planted.ForgottenEffects {
		done = position.Vector{}
	}
	c.doubt = false
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = done
	return nil
}

// committed returns what is done.
func (c *committer[T]) committed() position.Vector {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// commit commits the items that are not done yet, and the positions. After a failure it first asks how that ended
// and never commits blindly again. It returns an error that wraps ErrRejected, or fence.ErrFenced, at once, others when
// the retries are used up.
func (c *committer[T]) commit(ctx context.Context, items []Item[T], upto position.Vector) error {
	for try := 1; ; try++ {
		err := c.commitOnce(ctx, items, upto)
		switch {
		case err == nil, errors.Is(err, ErrRejected), errors.Is(err, fence.ErrFenced), ctx.Err() != nil:
			return err
		case try > c.conf.retries:
			return fmt.Errorf("after %d tries: %w", try, err)
		}
		if err := sleep(ctx, retryWait(c.conf.retryWait, try)); err != nil {
			return err
		}
	}
}

func (c *committer[T]) commitOnce(ctx context.Context, items []Item[T], upto position.Vector) error {
	if c.doubt {
		if err := c.settle(ctx); err != nil {
			return err
		}
	}
	done := c.committed()
	items = undone(done, items)
	after := done.Max(upto)
	if after.Equal(done) {
		return nil
	}
	err := c.sink.Commit(ctx, Effects[T]{Epoch: c.epoch, Items: items, Upto: after})
	if err != nil {
		c.doubt = !errors.Is(err, ErrRejected)
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = after
	return nil
}

// undone returns the items that done does not cover; mostly all, and then without a copy.
func undone[T any](done position.Vector, items []Item[T]) []Item[T] {
	for i, item := range items {
		if done.Covers(item.Pos) {
			rest := append([]Item[T]{}, items[:i]...)
			for _, later := range items[i+1:] {
				if !done.Covers(later.Pos) {
					rest = append(rest, later)
				}
			}
			return rest
		}
	}
	return items
}
