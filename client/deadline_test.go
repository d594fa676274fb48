package client

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	steps "github.com/grafnode/grafnode/internal/session"
	"github.com/grafnode/grafnode/lease"
)

// bubbleClock is CLOCK_BOOTTIME in a synctest bubble: the bubble's time, and the time for which the machine was suspended.
type bubbleClock struct {
	began     time.Time
	suspended atomic.Int64
}

func (c *bubbleClock) now() lease.Instant {
	return lease.Instant(time.Hour + time.Since(c.began) + time.Duration(c.suspended.Load()))
}

// testSession is an open session that is attended to, and whose node says nothing any more.
func testSession(t *testing.T, c *bubbleClock, ttl time.Duration) *session {
	cl := &Client{config: Config{TTL: ttl, Now: c.now}, log: slog.New(slog.DiscardHandler), lines: map[*line]struct{}{}}
	cl.ctx, cl.stop = context.WithCancelCause(context.Background())
	s := newSession(cl)
	s.step(func(m *steps.Machine, now lease.Instant) steps.Effects {
		e := m.Tick(now)
		return m.Welcomed(e.Hello, "s", now.Add(ttl), now)
	})
	cl.start(s.attend)
	t.Cleanup(func() {
		cl.stop(ErrClosed)
		cl.running.Wait()
	})
	return s
}

func (s *session) good(d lease.Instant) {
	s.step(func(m *steps.Machine, now lease.Instant) steps.Effects { return m.Good(d, now) })
}

// Nobody says anything any more: the holder learns of the end from its own clock, at the deadline and not before.
func TestASessionIsLostAtItsDeadlineWithoutAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &bubbleClock{began: time.Now()}
		s := testSession(t, clock, 2*time.Second)

		time.Sleep(time.Second)
		s.good(clock.now().Add(2 * time.Second)) // the last word
		time.Sleep(2*time.Second - time.Nanosecond)
		synctest.Wait()
		select {
		case <-s.lost:
			t.Fatal("lost before its deadline")
		default:
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		<-s.lost
		require.True(t, s.over())
	})
}

// Timers do not count the time that the machine sleeps, deadlines do: whoever asks after waking up is told the truth at
// once, and a word that was under way meanwhile revives nothing.
func TestASuspendedHolderWakesUpWithoutItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &bubbleClock{began: time.Now()}
		s := testSession(t, clock, 10*time.Second)
		synctest.Wait()
		clock.suspended.Store(int64(11 * time.Second))

		s.good(clock.now().Add(10 * time.Second)) // answered before, read after
		require.True(t, s.over())
		<-s.lost
	})
}

// Nobody asks: the end is noticed within a tenth of a term of waking time all the same.
func TestASuspendedHolderIsToldSoonAfterItWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &bubbleClock{began: time.Now()}
		s := testSession(t, clock, 10*time.Second)
		synctest.Wait()
		clock.suspended.Store(int64(time.Hour))
		time.Sleep(time.Second)
		synctest.Wait()
		<-s.lost
	})
}
