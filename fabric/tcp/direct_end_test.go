package tcp

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
)

// What a way did not bring before it broke is no more to come; what it did bring has come, broken or not.
func TestSettleSaysWhatIsMissing(t *testing.T) {
	near, _ := tcpPair(t)
	e := &producerEnd{l: newLink(near), received: 64}
	e.started, e.landed = true, make(chan struct{}, 1)
	e.ended, e.abort = context.WithCancelCause(t.Context())
	e.Broken(errors.New("adapter"))
	require.NoError(t, e.settle(64))
	require.ErrorIs(t, e.settle(72), fabric.ErrDisconnected)
}

// missing is an end that waits for what does not come.
type missing struct{ end }

func (missing) pump(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
func (missing) settle(uint64) error            { return disconnected(errors.New("adapter")) }
func (missing) close() error                   { return nil }

// Who leaves is told that not all has come: by the connection's end alone it would learn that it had.
func TestLeavingIsNotConfirmedWithoutAll(t *testing.T) {
	near, far := tcpPair(t)
	owner, side := newLink(far), newLink(near)
	owner.attach(hostileHello(fabric.RoleProducer))
	side.attach(hostileHello(fabric.RoleProducer))
	served := make(chan error, 1)
	go func() {
		s := session{l: owner, end: missing{}}
		served <- s.run(context.Background())
	}()
	side.tasks.Go(func() { side.receive(func(f frame) error { return decodeRefusal(f.payload) }) })
	require.ErrorIs(t, side.depart(72), fabric.ErrDisconnected)
	require.ErrorIs(t, <-served, fabric.ErrDisconnected)
}
