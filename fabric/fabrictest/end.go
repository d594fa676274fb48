package fabrictest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/boottime"
)

// write tries every step of sending, and returns the first error. A full ring is no error.
func (r *rig) write() error {
	if _, err := r.p.Claim(1); err != nil {
		return err
	}
	if err := r.p.Commit(); err != nil {
		return err
	}
	return r.p.Flush()
}

// producerLost waits until sending fails for the reason want, and shows that it stays so.
func (r *rig) producerLost(want error) {
	r.t.Helper()
	var err error
	r.await(r.p, "the producer's loss", func() bool {
		err = r.write()
		require.Conditionf(r.t, func() bool { return err == nil || errors.Is(err, want) || errors.Is(err, fabric.ErrFull) }, "%v", err)
		return errors.Is(err, want)
	})
	require.True(r.t, fabric.Lost(err))
	_, err = r.p.Claim(1)
	require.True(r.t, fabric.Lost(err), "Claim: %v", err)
	require.True(r.t, fabric.Lost(r.p.Flush()))
	_, _, err = r.p.Resume()
	require.True(r.t, fabric.Lost(err), "Resume: %v", err)
	_, _, err = r.p.Stable()
	require.True(r.t, fabric.Lost(err), "Stable: %v", err)
	require.True(r.t, fabric.Lost(r.p.Wait(r.ctx)))
}

// consumerLost waits until there is nothing to read any more, for the reason want, and returns what was read before.
func (r *rig) consumerLost(want error) (read []string) {
	r.t.Helper()
	var err error
	r.await(r.c, "the consumer's loss", func() bool {
		var b []byte
		for b, err = r.c.Next(); err == nil; b, err = r.c.Next() {
			read = append(read, string(b))
		}
		require.Conditionf(r.t, func() bool { return errors.Is(err, fabric.ErrEmpty) || errors.Is(err, want) }, "%v", err)
		return errors.Is(err, want)
	})
	require.True(r.t, fabric.Lost(err))
	_, err = r.c.Next()
	require.ErrorIs(r.t, err, want)
	require.True(r.t, fabric.Lost(r.c.Ack(0, nil)))
	require.True(r.t, fabric.Lost(r.c.Wait(r.ctx)))
	return read
}

func testSeal(t *testing.T, newPair Factory) {
	reasons := []error{fabric.ErrSealed, fabric.ErrLeaseExpired, fabric.ErrRevoked}
	for i, reason := range reasons {
		r := newRig(t, newPair, Config(fabric.CapacityMin))
		for _, s := range []string{"a", "b", "c"} {
			r.push([]byte(s))
		}
		r.flush()
		r.arrived(3)
		require.Equal(t, "a", string(r.pop()))

		r.pair.Arena.Seal(reason)
		r.pair.Arena.Seal(reasons[(i+1)%len(reasons)]) // the first seal stands
		r.producerLost(reason)
		require.Equal(t, []string{"b", "c"}, r.consumerLost(reason))
	}

	// A seal wakes who waits.
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	ended := make(chan error, 2)
	for _, w := range []waiter{r.p, r.c} {
		go func() { ended <- w.Wait(r.ctx) }()
	}
	r.pair.Arena.Seal(fabric.ErrSealed)
	for range 2 {
		if err := <-ended; err != nil {
			require.ErrorIs(t, err, fabric.ErrSealed)
		}
	}
	r.producerLost(fabric.ErrSealed)
	require.Empty(t, r.consumerLost(fabric.ErrSealed))

	// Closing the arena is a seal.
	r = newRig(t, newPair, Config(fabric.CapacityMin))
	require.NoError(t, r.pair.Arena.Close())
	require.NoError(t, r.pair.Arena.Close())
	lost := func(err error) bool { return err != nil && fabric.Lost(err) }
	r.await(r.p, "the producer's loss", func() bool { return lost(r.write()) })
	r.await(r.c, "the consumer's loss", func() bool { _, err := r.c.Next(); return lost(err) })
}

func testDeadline(t *testing.T, newPair Factory) {
	cfg := Config(fabric.CapacityMin)
	cfg.Deadline = boottime.Now().Add(time.Hour)
	r := newRig(t, newPair, cfg)
	r.push([]byte("intact"))
	r.flush()
	r.arrived(1)
	r.pair.Arena.SetDeadline(boottime.Now().Add(50 * time.Millisecond)) // and nobody seals
	r.producerLost(fabric.ErrLeaseExpired)
	require.Equal(t, "intact", r.consumerLost(fabric.ErrLeaseExpired)[0]) // then come those of before the deadline
	r.pair.Arena.SetDeadline(boottime.Now().Add(time.Hour))
	r.pair.Arena.Seal(fabric.ErrRevoked)
	r.producerLost(fabric.ErrLeaseExpired)
	require.Empty(t, r.consumerLost(fabric.ErrLeaseExpired), "a passed deadline stays passed")

	// Who sleeps notices too, also when the deadline was far away when it fell asleep.
	cfg = Config(fabric.CapacityMin)
	cfg.Deadline = boottime.Now().Add(time.Hour)
	r = newRig(t, newPair, cfg)
	_, err := r.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	ended := make(chan error, 2)
	sleep := func(w waiter, look func() error) {
		for {
			err := w.Wait(r.ctx)
			if err == nil {
				err = look()
			}
			if err != nil && !errors.Is(err, fabric.ErrEmpty) {
				ended <- err
				return
			}
		}
	}
	go sleep(r.p, r.p.Flush)
	go sleep(r.c, func() error { _, err := r.c.Next(); return err })
	time.Sleep(50 * time.Millisecond) // nothing tells that somebody sleeps
	r.pair.Arena.SetDeadline(boottime.Now().Add(50 * time.Millisecond))
	r.pair.Arena.SetDeadline(boottime.Now().Add(100 * time.Millisecond))
	for range 2 {
		require.ErrorIs(t, <-ended, fabric.ErrLeaseExpired)
	}

	// A renewal in time keeps the ring, also for who already waits.
	cfg = Config(fabric.CapacityMin)
	cfg.Deadline = boottime.Now().Add(2 * time.Second)
	r = newRig(t, newPair, cfg)
	for range 3 {
		r.pair.Arena.SetDeadline(boottime.Now().Add(2 * time.Second))
		short, cancel := context.WithTimeoutCause(r.ctx, 20*time.Millisecond, errors.New("short"))
		for r.c.Wait(short) == nil {
		}
		cancel()
	}
	r.pair.Arena.SetDeadline(boottime.Now().Add(time.Hour))
	r.push([]byte("renewed"))
	r.flush()
	require.Equal(t, "renewed", string(r.pop()))
}

func testTaken(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	taken := func() {
		t.Helper()
		p, err := r.pair.Producer()
		if err == nil {
			for err == nil {
				if err = p.Wait(r.ctx); err == nil {
					err = p.Flush()
				}
			}
			require.NoError(t, p.Close())
		}
		require.ErrorIs(t, err, fabric.ErrTaken)
		c, err := r.pair.Consumer()
		if err == nil {
			for err == nil || errors.Is(err, fabric.ErrEmpty) {
				if err = c.Wait(r.ctx); err == nil {
					_, err = c.Next()
				}
			}
			require.NoError(t, c.Close())
		}
		require.ErrorIs(t, err, fabric.ErrTaken)
	}
	taken()
	r.push([]byte("not disturbed"))
	r.flush()
	require.Equal(t, "not disturbed", string(r.pop()))
	require.NoError(t, r.p.Close())
	require.NoError(t, r.c.Close())
	taken() // closing a side does not free it
}

// testDamage spoils a ring in each way that the fabric offers.
func testDamage(t *testing.T, newPair Factory) {
	ways := newPair(t, Config(fabric.CapacityMin))
	require.NoError(t, ways.Arena.Close())
	for i, way := range ways.Damage {
		t.Run(way.Name, func(t *testing.T) {
			r := newRig(t, newPair, Config(fabric.CapacityMin))
			r.push(record(0, 100))
			r.push(record(1, 100))
			r.flush()
			r.arrived(2)
			r.pair.Damage[i].Do()
			if way.Victim == fabric.RoleConsumer {
				r.consumerCorrupt()
			} else {
				r.producerCorrupt()
			}
		})
	}
}

// consumerCorrupt reads until the damage is found, which must not take more records than were sent.
func (r *rig) consumerCorrupt() {
	r.t.Helper()
	for range 3 {
		if _, err := r.c.Next(); err != nil {
			require.ErrorIs(r.t, err, fabric.ErrCorrupt)
			require.ErrorIs(r.t, r.c.Ack(0, nil), fabric.ErrCorrupt)
			require.ErrorIs(r.t, r.c.Wait(r.ctx), fabric.ErrCorrupt)
			return
		}
	}
	r.t.Error("the damage was not found")
}

// producerCorrupt works until the damage is found, which must be before a ring's worth of records was written.
func (r *rig) producerCorrupt() {
	r.t.Helper()
	n := fabric.RecordMax(r.pair.Arena.Config().Capacity)
	for range 5 {
		_, _, err := r.p.Resume()
		if err == nil {
			_, _, err = r.p.Stable()
		}
		if err == nil {
			if _, err = r.p.Claim(n); err == nil {
				err = r.p.Commit()
			}
		}
		if err != nil {
			require.ErrorIs(r.t, err, fabric.ErrCorrupt)
			require.ErrorIs(r.t, r.p.Flush(), fabric.ErrCorrupt)
			require.ErrorIs(r.t, r.p.Wait(r.ctx), fabric.ErrCorrupt)
			return
		}
	}
	r.t.Error("the damage was not found")
}
