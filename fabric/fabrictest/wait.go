package fabrictest

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// testWaitWakes plays ping-pong: record there, stable note back. A lost wake-up anywhere ends it.
func testWaitWakes(t *testing.T, newPair Factory) {
	const rounds = 2000
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	echoed := make(chan error, 1)
	go func() {
		echoed <- func() error {
			for n := uint64(1); n <= rounds; {
				b, err := r.c.Next()
				switch {
				case errors.Is(err, fabric.ErrEmpty):
					if err := r.c.Wait(r.ctx); err != nil {
						return err
					}
				case err != nil:
					return err
				default:
					if err := r.c.Ack(n, b); err != nil {
						return err
					}
					n++
				}
			}
			return nil
		}()
	}()
	for n := uint64(1); n <= rounds; n++ {
		r.push(binary.LittleEndian.AppendUint64(nil, n))
		r.flush()
		r.await(r.p, "the echo", func() bool {
			note, ok, err := r.p.Stable()
			require.NoError(t, err)
			if ok {
				require.Equal(t, n, binary.LittleEndian.Uint64(note))
			}
			return ok
		})
	}
	require.NoError(t, <-echoed)

	// Wait beside the other calls, woken by the side's own Close.
	for _, side := range []interface {
		waiter
		Close() error
	}{r.p, r.c} {
		ended := make(chan error, 1)
		go func() {
			for {
				if err := side.Wait(r.ctx); err != nil {
					ended <- err
					return
				}
			}
		}()
		require.NoError(t, side.Close())
		require.ErrorIs(t, <-ended, fabric.ErrClosed)
	}
}

func testWaitContext(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	_, err := r.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	for name, w := range map[string]waiter{"producer": r.p, "consumer": r.c} {
		why := errors.New("the reason of " + name)
		ctx, cancel := context.WithCancelCause(r.ctx)
		ended := make(chan error, 1)
		go func() {
			for {
				if err := w.Wait(ctx); err != nil {
					ended <- err
					return
				}
			}
		}()
		cancel(why)
		require.ErrorIs(t, <-ended, why)
		// A wait that was cancelled spoils nothing, and a dead context does not wait.
		require.ErrorIs(t, w.Wait(ctx), why)
	}
	r.push([]byte("after"))
	r.flush()
	require.Equal(t, "after", string(r.pop()))
}

// testWaitIdle holds the process's CPU time against the time that passed while both sides waited for nothing.
func testWaitIdle(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	_, err := r.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
	idle := errors.New("idle long enough")
	var used, passed time.Duration
	for range 3 { // other work of the process may land in one of the rounds
		ctx, cancel := context.WithTimeoutCause(r.ctx, 300*time.Millisecond, idle)
		began, cpu := time.Now(), cpuTime(t)
		var both sync.WaitGroup
		for _, w := range []waiter{r.p, r.c} {
			both.Go(func() {
				for w.Wait(ctx) == nil {
				}
			})
		}
		both.Wait()
		cancel()
		used, passed = cpuTime(t)-cpu, time.Since(began)
		if used < passed/5 {
			return
		}
	}
	t.Errorf("two idle sides used %v of CPU in %v", used, passed)
}

// testModes has a side of each mode find news, obey a context, and see the end of its ring.
func testModes(t *testing.T, newPair Factory) {
	for _, mode := range []fabric.Mode{fabric.Balanced, fabric.LowLatency, fabric.Thrifty} {
		r := newRig(t, newPair, Config(fabric.CapacityMin))
		r.p.SetMode(mode)
		r.c.SetMode(mode)
		read := make(chan error, 1)
		go func() { read <- r.drain(200, func(i int, b []byte) error { return same(b, record(i, 64)) }) }()
		for i := range 200 {
			r.push(record(i, 64))
			r.flush()
		}
		require.NoError(t, <-read, "%v", mode)
		why := errors.New("why")
		ctx, cancel := context.WithCancelCause(r.ctx)
		ended := make(chan error, 2)
		for _, w := range []waiter{r.p, r.c} {
			go func() {
				for {
					if err := w.Wait(ctx); err != nil {
						ended <- err
						return
					}
				}
			}()
		}
		cancel(why)
		require.ErrorIs(t, <-ended, why)
		require.ErrorIs(t, <-ended, why)
		r.pair.Arena.Seal(fabric.ErrRevoked)
		r.producerLost(fabric.ErrRevoked)
		r.consumerLost(fabric.ErrRevoked)
	}
}
