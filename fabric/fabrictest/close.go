package fabrictest

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

func testClose(t *testing.T, newPair Factory) {
	r := newRig(t, newPair, Config(fabric.CapacityMin))
	r.push([]byte("left behind"))
	r.flush()
	require.NoError(t, r.p.Close())
	require.NoError(t, r.p.Close())
	_, err := r.p.Claim(1)
	require.ErrorIs(t, err, fabric.ErrClosed)
	require.ErrorIs(t, r.p.Flush(), fabric.ErrClosed)
	_, _, err = r.p.Resume()
	require.ErrorIs(t, err, fabric.ErrClosed)
	_, _, err = r.p.Stable()
	require.ErrorIs(t, err, fabric.ErrClosed)
	require.ErrorIs(t, r.p.Wait(r.ctx), fabric.ErrClosed)
	r.p.Abort()

	require.Equal(t, "left behind", string(r.pop()), "what was flushed stays readable")
	require.NoError(t, r.c.Ack(1, nil))
	require.NoError(t, r.c.Close())
	require.NoError(t, r.c.Close())
	_, err = r.c.Next()
	require.ErrorIs(t, err, fabric.ErrClosed)
	require.ErrorIs(t, r.c.Ack(1, nil), fabric.ErrClosed)
	require.ErrorIs(t, r.c.SetResume(nil), fabric.ErrClosed)
	require.ErrorIs(t, r.c.Wait(r.ctx), fabric.ErrClosed)

	// A claim that is open when its side is closed stays the caller's until it is given back.
	r = newRig(t, newPair, Config(fabric.CapacityMin))
	b := r.claim(64)
	require.NoError(t, r.p.Close())
	clear(b)
	require.ErrorIs(t, r.p.Commit(), fabric.ErrClosed)
}

// testCloseBeside closes both sides in the midst of their work, again and again.
func testCloseBeside(t *testing.T, newPair Factory) {
	for range 20 {
		r := newRig(t, newPair, Config(fabric.CapacityMin))
		var work sync.WaitGroup
		errs := make(chan error, 4)
		until := func(step func() error) {
			work.Go(func() {
				for {
					if err := step(); err != nil && !errors.Is(err, fabric.ErrFull) && !errors.Is(err, fabric.ErrEmpty) {
						errs <- err
						return
					}
				}
			})
		}
		half := make(chan struct{})
		var acked uint64
		until(r.write)
		until(func() error { return r.p.Wait(r.ctx) })
		until(func() error {
			if _, err := r.c.Next(); err != nil {
				return err
			}
			if acked++; acked == 100 {
				close(half)
			}
			return r.c.Ack(acked, []byte("note"))
		})
		until(func() error { return r.c.Wait(r.ctx) })
		<-half
		work.Go(func() { errClose(t, r.p.Close()) })
		work.Go(func() { errClose(t, r.c.Close()) })
		work.Wait()
		for range 4 {
			require.ErrorIs(t, <-errs, fabric.ErrClosed)
		}
		r.close()
	}
}

func errClose(t *testing.T, err error) {
	if err != nil {
		t.Errorf("Close: %v", err)
	}
}
