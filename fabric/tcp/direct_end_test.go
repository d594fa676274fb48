package tcp

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fabric/internal/ring"
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

// lending is an arena into whose memory others may write.
type lending struct{ *inproc.Arena }

type lent struct{ *ring.Producer }

func (lent) Memory() []byte { return make([]byte, hostileConfig.Capacity) }

func (a lending) Producer() (fabric.Producer, error) {
	p, err := a.Arena.Producer()
	return lent{p.(*ring.Producer)}, err
}

// slow takes its time to decline.
type slow struct {
	Direct
	decline chan struct{}
}

func (s slow) Accept(string, string, []byte) (Incoming, string, error) {
	<-s.decline
	return nil, "", nil
}

// An owner whose adapter takes its time is not to be taken for dead: the records go by the connection if it comes to nothing.
func TestAcceptShowsLife(t *testing.T) {
	arena, err := inproc.New(hostileConfig)
	require.NoError(t, err)
	near, far := tcpPair(t)
	d := slow{decline: make(chan struct{})}
	served := make(chan error, 1)
	go func() {
		served <- Server{Resolver: always{lending{arena}}, Direct: d}.Serve(context.Background(), far)
	}()
	h := hostileHello(fabric.RoleProducer)
	h.Heartbeat, h.Offer = HeartbeatMin, "an offer"
	require.NoError(t, writeMessage(near, h))
	for range 3 { // more than one may be of the search for the ring
		empty := make([]byte, 4)
		_, err = io.ReadFull(near, empty)
		require.NoError(t, err)
		require.Equal(t, make([]byte, 4), empty)
	}
	close(d.decline)
	said, err := readAnswer(near, func() {})
	require.NoError(t, err)
	require.Empty(t, said.Accepted)
	require.NoError(t, near.Close())
	require.Error(t, <-served)
}
