package tcp_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/faultnet"
)

func TestRefusalsAreToldApart(t *testing.T) {
	o := newOwner(t)
	address := o.listener.Addr().String()

	a := o.attach(address)
	a.Token = "guess"
	_, err := tcp.DialProducer(t.Context(), a)
	require.ErrorIs(t, err, tcp.ErrUnauthorised)
	require.True(t, fabric.Lost(err))

	a = o.attach(address)
	a.Generation++
	_, err = tcp.DialProducer(t.Context(), a)
	require.ErrorIs(t, err, fabric.ErrSealed)

	a.Edge = "no/name"
	_, err = tcp.DialProducer(t.Context(), a)
	require.ErrorContains(t, err, "is not a name")
	require.False(t, fabric.Lost(err), "nothing was asked of any ring")

	_, err = tcp.DialConsumer(t.Context(), o.attach("127.0.0.1:1"))
	require.ErrorIs(t, err, fabric.ErrDisconnected)

	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no longer wanted")
	cancel(why)
	_, err = tcp.DialConsumer(ctx, o.attach(address))
	require.ErrorIs(t, err, why)
	require.False(t, fabric.Lost(err))
}

// refuser answers with its error.
type refuser struct{ err error }

func (r refuser) Resolve(context.Context, tcp.Hello) (fabric.Arena, error) { return nil, r.err }

func TestResolversErrorsKeepTheirKind(t *testing.T) {
	for _, want := range []error{
		fabric.ErrLeaseExpired, fabric.ErrRevoked, fabric.ErrSealed, fabric.ErrTaken, api.ErrSessionLost, api.ErrNotFound, api.ErrUnavailable,
	} {
		arena, err := inproc.New(fabrictest.Config(fabric.CapacityMin))
		require.NoError(t, err)
		o := serve(t, arena, refuser{want})
		_, err = o.consumer(t)
		require.ErrorIs(t, err, want)
		require.True(t, fabric.Lost(err), "%v", err)
	}
}

// A node whose packets vanish is given up after six heartbeats, and not before a second, however far attaching has come.
func TestAttachingIntoABlackHole(t *testing.T) {
	t.Parallel() // it waits, most of the time
	o := newOwner(t)
	proxy := faultnet.Start(t, o.listener.Addr().String())
	for _, way := range []faultnet.Direction{faultnet.Up, faultnet.Down} {
		proxy.BlackHole(way)
		a := o.attach(proxy.Addr())
		a.Heartbeat = 50 * time.Millisecond
		began := time.Now()
		_, err := tcp.DialProducer(t.Context(), a)
		require.ErrorIs(t, err, fabric.ErrDisconnected)
		require.ErrorContains(t, err, "no word for 1s")
		require.Less(t, time.Since(began), tcp.AttachTimeoutDefault)
	}
}

// slow takes its time.
type slow struct{ *owner }

func (s slow) Resolve(ctx context.Context, h tcp.Hello) (fabric.Arena, error) {
	select {
	case <-time.After(8 * h.Heartbeat): // longer than any silence is borne
		return s.owner.Resolve(ctx, h)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// A node that is slow to answer, and says so, is waited for, as long as Attach.Timeout says.
func TestAttachingTakesTime(t *testing.T) {
	t.Parallel() // it waits, most of the time
	arena, err := inproc.New(fabrictest.Config(fabric.CapacityMin))
	require.NoError(t, err)
	o := serve(t, arena, slow{&owner{arena: arena}})
	a := o.attach(o.listener.Addr().String())
	a.Heartbeat = 250 * time.Millisecond
	p, err := tcp.DialProducer(t.Context(), a)
	require.NoError(t, err)
	require.NoError(t, p.Close())
	a.Timeout = 4 * a.Heartbeat
	_, err = tcp.DialConsumer(t.Context(), a)
	require.ErrorIs(t, err, fabric.ErrDisconnected)
}
