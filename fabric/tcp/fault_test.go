package tcp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/faultnet"
)

const patience = 30 * time.Second

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errors.New("patience ended"))
	t.Cleanup(cancel)
	return ctx
}

// newOwner serves a new small ring.
func newOwner(t *testing.T) *owner {
	t.Helper()
	arena, err := inproc.New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(t, err)
	return serve(t, arena, nil)
}

// both attaches both sides through proxy, with a heartbeat that makes silence short.
func both(t *testing.T, o *owner, proxy *faultnet.Proxy) (fabric.Producer, fabric.Consumer) {
	t.Helper()
	a := o.attach(proxy.Addr())
	a.Heartbeat = 400 * time.Millisecond
	p, err := tcp.DialProducer(t.Context(), a)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Close() })
	c, err := tcp.DialConsumer(t.Context(), a)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return p, c
}

func send(t *testing.T, p fabric.Producer, record []byte) {
	t.Helper()
	b, err := p.Claim(len(record))
	require.NoError(t, err)
	copy(b, record)
	require.NoError(t, p.Commit())
	require.NoError(t, p.Flush())
}

func receive(t *testing.T, c fabric.Consumer) []byte {
	t.Helper()
	ctx := testContext(t)
	for {
		b, err := c.Next()
		if !errors.Is(err, fabric.ErrEmpty) {
			require.NoError(t, err)
			return b
		}
		require.NoError(t, c.Wait(ctx))
	}
}

// lossOf waits until the side is lost, and returns why.
func lossOf(t *testing.T, wait func(context.Context) error, call func() error) error {
	t.Helper()
	ctx := testContext(t)
	for {
		if err := call(); err != nil && fabric.Lost(err) {
			return err
		}
		require.NoError(t, wait(ctx))
	}
}

func producerLoss(t *testing.T, p fabric.Producer) error {
	t.Helper()
	return lossOf(t, p.Wait, func() error { _, _, err := p.Stable(); return err })
}

func consumerLoss(t *testing.T, c fabric.Consumer) error {
	t.Helper()
	return lossOf(t, c.Wait, func() error { _, err := c.Next(); return err })
}

func serveEnded(t *testing.T, o *owner) error {
	t.Helper()
	select {
	case err := <-o.ended:
		return err
	case <-time.After(patience):
		require.Fail(t, "Serve goes on")
		return nil
	}
}

// What was flushed before Close arrives, however slow the way.
func TestCloseDeliversWhatWasFlushed(t *testing.T) {
	t.Parallel() // it waits, most of the time
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	proxy.Delay(faultnet.Both, 30*time.Millisecond)
	p, err := tcp.DialProducer(t.Context(), o.attach(proxy.Addr()))
	require.NoError(t, err)
	for range 100 {
		send(t, p, []byte("record"))
	}
	require.NoError(t, p.Close())
	require.EqualValues(t, 100, o.arena.Usage().Committed)
	require.NoError(t, serveEnded(t, o))
}

// An ack that was given before Close arrives too.
func TestCloseDeliversTheLastAck(t *testing.T) {
	o := newOwner(t)
	p, err := o.arena.Producer()
	require.NoError(t, err)
	c, err := o.consumer(t)
	require.NoError(t, err)
	for i := range 100 {
		send(t, p, []byte("record"))
		receive(t, c)
		require.NoError(t, c.Ack(uint64(i+1), []byte{byte(i)}))
	}
	require.NoError(t, c.Close())
	require.EqualValues(t, 100, o.arena.Usage().Acked)
	note, ok, err := p.Stable()
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, []byte{99}, note)
	require.NoError(t, p.Close())
}

func TestResetInTheMiddle(t *testing.T) {
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	p, c := both(t, o, proxy)
	send(t, p, []byte("before"))
	require.Equal(t, "before", string(receive(t, c)))
	proxy.Reset()
	for _, err := range []error{producerLoss(t, p), consumerLoss(t, c), serveEnded(t, o), serveEnded(t, o)} {
		require.ErrorIs(t, err, fabric.ErrDisconnected)
	}
	_, err := o.producer(t)
	require.ErrorIs(t, err, fabric.ErrTaken, "a side is attached once in its life")
}

// Whatever byte is damaged, no wrong record comes out, and both ends learn that the ring is lost.
func TestDamageIsNeverARecord(t *testing.T) {
	for nth := 1; nth <= 300; nth += 13 {
		o := newOwner(t)
		proxy := faultnet.Start(t, o.listener.Addr().String())
		a := o.attach(proxy.Addr())
		a.Heartbeat = 500 * time.Millisecond
		p, err := tcp.DialProducer(t.Context(), a)
		require.NoError(t, err)
		c, err := o.arena.Consumer()
		require.NoError(t, err)

		proxy.Damage(faultnet.Up, nth)
		var lost error
		for i := uint64(0); lost == nil; i++ {
			b, err := p.Claim(40)
			if err == nil {
				binary.LittleEndian.PutUint64(b[32:], i)
				lost = errors.Join(p.Commit(), p.Flush())
			} else if lost = err; errors.Is(err, fabric.ErrFull) {
				lost = p.Wait(testContext(t))
			}
		}
		require.True(t, fabric.Lost(lost), "byte %d: %v", nth, lost)
		require.True(t, fabric.Lost(serveEnded(t, o)))
		for i := uint64(0); ; i++ {
			b, err := c.Next()
			if errors.Is(err, fabric.ErrEmpty) {
				break
			}
			require.NoError(t, err)
			require.Len(t, b, 40)
			require.Equal(t, i, binary.LittleEndian.Uint64(b[32:]), "byte %d", nth)
		}
		require.NoError(t, errors.Join(p.Close(), c.Close()))
		proxy.Close()
	}
}

// The owner learns of a bad checksum and tells the remote side, which reads the reason though it was still sending.
func TestCorruptionIsTold(t *testing.T) {
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	p, _ := both(t, o, proxy)
	proxy.Damage(faultnet.Up, 40) // in the payload of the first frame
	send(t, p, make([]byte, 1000))
	require.ErrorIs(t, producerLoss(t, p), fabric.ErrCorrupt)
}

func TestDamageOnTheWayDownIsTheConsumersToFind(t *testing.T) {
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	c, err := tcp.DialConsumer(t.Context(), o.attach(proxy.Addr()))
	require.NoError(t, err)
	defer c.Close()
	p, err := o.arena.Producer()
	require.NoError(t, err)
	send(t, p, []byte("intact"))
	require.Equal(t, "intact", string(receive(t, c)))
	proxy.Damage(faultnet.Down, 35)
	send(t, p, make([]byte, 1000))
	require.ErrorIs(t, consumerLoss(t, c), fabric.ErrCorrupt)
}

// The node goes away while both ends are busy: everything ends, nothing hangs.
func TestOwnerStops(t *testing.T) {
	arena, err := inproc.New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(t, err)
	near, far := net.Pipe()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the node stops")
	cancel(why)
	go func() { _, _ = io.Copy(io.Discard, near) }()
	require.ErrorIs(t, tcp.Serve(ctx, far, &owner{arena: arena}), why)
	require.NoError(t, near.Close())
}
