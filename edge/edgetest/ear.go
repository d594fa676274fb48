package edgetest

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// ear is how a side hears of the other one. What the other side does while it is shut is heard when it opens again.
type ear struct {
	deaf atomic.Bool // shut; stored with mu held, loaded before each look at the ring

	mu    sync.Mutex
	until time.Time
	open  chan struct{} // closed when it opens; nil while it is
}

// shut shuts it for d from now on, or for as long as it is shut already if that is longer.
func (e *ear) shut(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	until := time.Now().Add(d)
	if d <= 0 || !until.After(e.until) {
		return
	}
	e.until = until
	if e.open == nil {
		e.open = make(chan struct{})
		e.deaf.Store(true)
		time.AfterFunc(d, e.reopen)
	}
}

func (e *ear) reopen() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := time.Until(e.until); d > 0 { // it was shut for longer meanwhile
		time.AfterFunc(d, e.reopen)
		return
	}
	close(e.open)
	e.open = nil
	e.deaf.Store(false)
}

// opened returns what is closed when it opens, nil if it is open.
func (e *ear) opened() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.open
}

// slow lets it hear but once every d, for as long as the whole.
func (e *ear) slow(d, whole time.Duration) {
	if whole < d {
		return
	}
	e.shut(d)
	time.AfterFunc(d+time.Nanosecond, func() { e.slow(d, whole-d) })
}

// pause waits for d unless ctx ends first, and returns why it did.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
