package tcp_test

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/faultnet"
)

// A peer that is cut off without a word is noticed at both ends, by its silence.
func TestBlackHoleIsNoticedAtBothEnds(t *testing.T) {
	t.Parallel() // it waits, most of the time
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	p, c := both(t, o, proxy)
	send(t, p, []byte("before"))
	require.Equal(t, "before", string(receive(t, c)))

	proxy.BlackHole(faultnet.Both)
	for _, err := range []error{producerLoss(t, p), consumerLoss(t, c), serveEnded(t, o), serveEnded(t, o)} {
		require.ErrorIs(t, err, fabric.ErrDisconnected)
		require.ErrorContains(t, err, "silent")
	}
}

// Half-open: only what goes up is lost. The owner notices by the silence, the side by the owner's hanging up.
func TestHalfOpenIsNoticedAtBothEnds(t *testing.T) {
	t.Parallel() // it waits, most of the time
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	p, c := both(t, o, proxy)
	proxy.BlackHole(faultnet.Up)
	for _, err := range []error{serveEnded(t, o), serveEnded(t, o), producerLoss(t, p), consumerLoss(t, c)} {
		require.ErrorIs(t, err, fabric.ErrDisconnected)
	}
}

// Closing towards an owner that is gone without a word ends too, and says that it is not known what arrived.
func TestCloseIntoABlackHole(t *testing.T) {
	t.Parallel() // it waits, most of the time
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	p, c := both(t, o, proxy)
	proxy.BlackHole(faultnet.Both)
	require.ErrorIs(t, p.Close(), fabric.ErrDisconnected)
	_ = c.Close() // the same, or it had noticed before
}

// A process that has too few processors for what it does is slow, and so is its peer if they share them. That is no silence.
func TestLoadIsNoSilence(t *testing.T) {
	o := newOwner(t)
	a := o.attach(o.listener.Addr().String())
	p, err := tcp.DialProducer(t.Context(), a)
	require.NoError(t, err)
	defer p.Close()
	c, err := tcp.DialConsumer(t.Context(), a)
	require.NoError(t, err)
	defer c.Close()
	done := make(chan struct{})
	var busy sync.WaitGroup
	for range 4 * runtime.GOMAXPROCS(0) {
		busy.Go(func() {
			for n := 0; ; n++ {
				if n%1000 == 0 {
					select {
					case <-done:
						return
					default:
					}
				}
			}
		})
	}
	time.Sleep(20 * tcp.MissedDefault * tcp.HeartbeatDefault) // not for anything to happen: for nothing to
	close(done)
	busy.Wait()
	send(t, p, []byte("record"))
	require.Equal(t, "record", string(receive(t, c)))
}
