package durable

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fence"
)

// group writes the values of concurrent Puts together: one write at a time, always of the latest value. No goroutine is
// kept for it; of the waiting callers one holds the turn and writes for all.
type group struct {
	turn chan struct{} // holds one token while somebody writes or fences

	mu      sync.Mutex
	epoch   fence.Epoch
	value   []byte        // the latest
	last    uint64        // its number
	written uint64        // all Puts up to this number are durable
	failed  uint64        // all Puts up to this number, and not written, have failed with err
	err     error         // see failed
	news    chan struct{} // closed and replaced whenever written, failed or epoch changes
}

func newGroup() *group {
	return &group{turn: make(chan struct{}, 1), news: make(chan struct{})}
}

// fence runs read while nobody writes, and begins epoch. Puts of an older epoch that still wait are refused.
func (g *group) fence(ctx context.Context, epoch fence.Epoch, read func() error) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := read(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if epoch > g.epoch {
		g.epoch = epoch
		g.announce()
	}
	return nil
}

// put offers value and returns once it, or a later one, has been written by write, which is never run twice at a time.
func (g *group) put(ctx context.Context, epoch fence.Epoch, value []byte, write func(context.Context, fence.Epoch, []byte) error) error {
	number, err := g.offer(epoch, value)
	if err != nil {
		return err
	}
	for {
		done, news, err := g.outcome(epoch, number)
		if done {
			return err
		}
		select {
		case g.turn <- struct{}{}:
			gaveUp := g.writeLatest(ctx, epoch, number, write)
			<-g.turn
			if gaveUp {
				return context.Cause(ctx)
			}
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (g *group) offer(epoch fence.Epoch, value []byte) (number uint64, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.admit(epoch); err != nil {
		return 0, err
	}
	g.last++
	g.value = bytes.Clone(value)
	return g.last, nil
}

func (g *group) admit(epoch fence.Epoch) error {
	if epoch > g.epoch {
		return fmt.Errorf("epoch %d, fenced under %d: %w", epoch, g.epoch, ErrNotFenced)
	}
	guard := fence.Guard{Current: g.epoch}
	return guard.Check(epoch)
}

// outcome says whether Put number is settled, and how; if not, news is closed when that may have changed.
func (g *group) outcome(epoch fence.Epoch, number uint64) (done bool, news <-chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.epoch > epoch:
		return true, nil, g.admit(epoch)
	case g.written >= number:
		return true, nil, nil
	case g.failed >= number:
		return true, nil, g.err
	}
	return false, g.news, nil
}

// writeLatest writes the latest value, on behalf of every Put so far. Called with the turn. A failure that comes from ctx
// is the caller's own, who gives up: the others stay unsettled, and the next of them takes the turn. If ctx has ended nothing is begun.
func (g *group) writeLatest(ctx context.Context, epoch fence.Epoch, number uint64, write func(context.Context, fence.Epoch, []byte) error) (gaveUp bool) {
	if done, _, _ := g.outcome(epoch, number); done || ctx.Err() != nil {
		return !done
	}
	g.mu.Lock()
	value, last := g.value, g.last
	g.mu.Unlock()

	err := write(ctx, epoch, value)

	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case err == nil:
		g.written = last
	case ctx.Err() != nil:
		return true
	default:
		g.failed, g.err = last, err
	}
	g.announce()
	return false
}

func (g *group) announce() {
	close(g.news)
	g.news = make(chan struct{})
}
