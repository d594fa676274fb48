package ring

import (
	"context"
	"runtime"
	"time"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/boottime"
	"github.com/grafnode/grafnode/internal/membarrier"
	"github.com/grafnode/grafnode/lease"
)

// wakePeer rings for the other side if it sleeps. A waiting word changes each time its side looks for news before it sleeps: so
// one ring for each value is enough, and none is missed.
func (s *side) wakePeer(waiting uint64) {
	if waiting&sleeps != 0 && waiting != s.wakened {
		s.wakened = waiting
		s.setup.Peer.Ring(waiting & kinds)
	}
}

// fenceFor stands between what was published and the look at the peer's waiting word. A peer that orders our stores itself before it
// sleeps needs none of us: it sleeps less often than we publish. It takes the word's value: for the address of a word Go looks at the beginning of
// the words, at a cursor, whose line would travel each time.
func (s *side) fenceFor(orders uint32) {
	if !membarrier.On || orders == 0 {
		s.fence.Add(1)
	}
}

// Wait is fabric's Wait, for both sides.
func (s *side) Wait(ctx context.Context) error {
	if !s.enterWait() {
		return fabric.ErrClosed
	}
	defer s.exitWait()
	if l := s.lost.Load(); l != nil && l.told.Swap(true) {
		return l.err
	}
	if !s.ended(ctx) && !s.spin(ctx) {
		if err := s.sleep(ctx); err != nil {
			return err
		}
	}
	s.waited()
	switch {
	case s.isClosed():
		return fabric.ErrClosed
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// ended reports whether a wait is over: for news, a loss, or because the side or the context ended.
func (s *side) ended(ctx context.Context) bool {
	return s.news() || s.isClosed() || s.lost.Load() != nil || ctx.Err() != nil || s.verdictNow() != nil
}

// Looking for news costs a core, and saves a sleep and a wake-up if news come soon. Balanced looks for spinFor, about what those
// cost, and not at all after luckMax fruitless looks in a row, but for every probeEvery-th time to see whether that has changed.
const (
	spinFor    = 20 * time.Microsecond
	luckMax    = 4
	probeEvery = 32
)

// spin looks for news for as long as the mode says, and reports whether the wait is over.
func (s *side) spin(ctx context.Context) bool {
	switch {
	case fabric.Mode(s.mode.Load()) == fabric.LowLatency:
		for !s.watch(5 * spinFor) {
			if s.ended(ctx) {
				return true
			}
		}
		return true
	case fabric.Mode(s.mode.Load()) == fabric.Thrifty:
		return false
	}
	luck := s.luck.Load()
	if luck <= 0 && luck > -probeEvery {
		s.luck.Store(luck - 1)
		return false
	}
	if s.watch(spinFor) {
		if luck != luckMax {
			s.luck.Store(luckMax)
		}
		return true
	}
	s.luck.Store(max(luck-1, 0)) // from a probe back to the beginning
	return false
}

// A watch looks so many times before it asks the clock, and yields its processor so seldom: both take longer than the news. It
// asks the clock so often at most, because there are clocks that stand still while somebody runs: those of tests.
const (
	looksPerClock = 64
	clocksMax     = 64
	yieldEvery    = 5 * time.Microsecond
)

// watch looks for news for a time.
func (s *side) watch(d time.Duration) bool {
	var began time.Time
	yielded := time.Duration(0)
	for range clocksMax {
		for range looksPerClock {
			if s.news() {
				return true
			}
			pause()
		}
		if began.IsZero() {
			began = time.Now()
		}
		past := time.Since(began)
		if past >= d {
			return false
		}
		if past-yielded >= yieldEvery {
			runtime.Gosched()
			yielded = past
		}
	}
	return false
}

// sleep parks until there is a reason to end the wait. It returns an error only if ctx ends before it has its turn.
func (s *side) sleep(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	s.until = ctx
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, s.setup.Own.Signal)()
	}
	defer s.waiting.And(^(kinds | deafness))
	for {
		s.setup.Own.Park(s.timeout(), s.look)
		if s.ended(ctx) {
			return nil
		}
	}
}

// awake is what Park asks. The waiting word changes before the last look, so that a writer who publishes after that sees a
// value that it has not rung for yet: the barrier stands for the fence that the writer spares itself. It takes longer than a look, and who
// was woken needs none.
func (s *side) awake(kind uint64) bool {
	for !s.over() {
		deaf := s.deaf()
		s.waiting.Store(s.waiting.Load()&^(kinds|deafness) + nextLook | deaf | kind)
		if membarrier.On {
			membarrier.Everywhere()
		}
		if s.deaf() == deaf { // or whoever changed it has not seen the word, and did not signal
			return s.over()
		}
	}
	return true
}

// over reports whether the sleep under way is. A deadline that has moved ends the sleep, not the wait: the timer is wrong.
func (s *side) over() bool { return s.ended(s.until) || s.setup.Control.Deadline.Load() != s.timer }

// timeout is how long a sleep may last before the deadline must be looked at again. The runtime's timers stand still
// while the machine is suspended, so a sleeper may notice late; whoever writes looks at the clock.
func (s *side) timeout() time.Duration {
	s.timer = s.setup.Control.Deadline.Load()
	if s.timer == 0 {
		return 0
	}
	return max(lease.Instant(s.timer).Sub(boottime.Now()), 1)
}
