package client

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
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

func testSession(c *bubbleClock, ttl time.Duration) *session {
	return newSession(&api.Welcome{Session: "s", Deadline: c.now().Add(ttl)}, ttl, nil, c.now)
}

// Nobody says anything any more: the holder learns of the end from its own clock, at the deadline and not before.
func TestASessionIsLostAtItsDeadlineWithoutAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &bubbleClock{began: time.Now()}
		s := testSession(clock, 2*time.Second)
		go s.watchDeadline(t.Context())

		time.Sleep(time.Second)
		s.extend(clock.now().Add(2 * time.Second)) // the last word
		time.Sleep(2*time.Second - time.Nanosecond)
		synctest.Wait()
		select {
		case <-s.lost:
			t.Fatal("lost before its deadline")
		default:
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.True(t, s.over())
		<-s.lost
	})
}

// Timers do not count the time that the machine sleeps, deadlines do: whoever asks after waking up is told the truth at
// once, and a word that was under way meanwhile revives nothing.
func TestASuspendedHolderWakesUpWithoutItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &bubbleClock{began: time.Now()}
		s := testSession(clock, 10*time.Second)
		go s.watchDeadline(t.Context())
		synctest.Wait()
		clock.suspended.Store(int64(11 * time.Second))

		s.extend(clock.now().Add(10 * time.Second)) // answered before, read after
		require.True(t, s.over())
		<-s.lost
	})
}

// Nobody asks: the end is noticed within a tenth of a term of waking time all the same.
func TestASuspendedHolderIsToldSoonAfterItWakesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &bubbleClock{began: time.Now()}
		s := testSession(clock, 10*time.Second)
		go s.watchDeadline(t.Context())
		synctest.Wait()
		clock.suspended.Store(int64(time.Hour))
		time.Sleep(time.Second)
		synctest.Wait()
		<-s.lost
	})
}
