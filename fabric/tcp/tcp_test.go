package tcp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/inproc"
	"github.com/grafnode/grafnode/fabric/tcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// owner is a node that serves one arena on a port of its own.
type owner struct {
	arena    fabric.Arena
	listener net.Listener
	ended    chan error // what each Serve returned
}

func (o *owner) Resolve(_ context.Context, h tcp.Hello) (fabric.Arena, error) {
	if h.Token != "secret" {
		return nil, tcp.ErrUnauthorised
	}
	return o.arena, nil
}

// serve starts an owner of arena, which stops when the test ends. r is asked for the arena; nil: the owner itself.
func serve(t testing.TB, arena fabric.Arena, r tcp.Resolver) *owner {
	t.Helper()
	return serveWith(t, arena, tcp.Server{Resolver: r})
}

func serveTLS(t testing.TB, arena fabric.Arena, c *tls.Config) *owner {
	t.Helper()
	return serveWith(t, arena, tcp.Server{TLS: c})
}

func serveWith(t testing.TB, arena fabric.Arena, s tcp.Server) *owner {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o := &owner{arena: arena, listener: l, ended: make(chan error, 2*fairEdges)}
	if s.Resolver == nil {
		s.Resolver = o
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				if _, err := conn.Read(make([]byte, len(api.PrefaceData))); err != nil {
					_ = conn.Close()
					return
				}
				o.ended <- s.Serve(ctx, conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel(errors.New("the node stops"))
		_ = l.Close()
		tasks.Wait()
	})
	return o
}

func (o *owner) attach(address string) tcp.Attach {
	c := o.arena.Config()
	return tcp.Attach{Address: address, Hello: tcp.Hello{
		Edge: c.Edge, Generation: c.Generation, Arena: c.Arena, Session: "s", Token: "secret", Revision: 1,
	}}
}

// suiteHeartbeat is so long that a process which is kept from running while others test is not taken for dead. Tests of silence
// have shorter ones, and bear being late.
const suiteHeartbeat = 10 * time.Second

func (o *owner) producer(t testing.TB) (fabric.Producer, error) {
	a := o.attach(o.listener.Addr().String())
	a.Heartbeat = suiteHeartbeat
	return tcp.DialProducer(t.Context(), a)
}

func (o *owner) consumer(t testing.TB) (fabric.Consumer, error) {
	a := o.attach(o.listener.Addr().String())
	a.Heartbeat = suiteHeartbeat
	return tcp.DialConsumer(t.Context(), a)
}

// over returns the factory of rings of newArena, of which the sides named are attached over TCP.
func over(newArena func(fabric.Config) (fabric.Arena, error), remote ...fabric.Role) fabrictest.Factory {
	return func(t testing.TB, cfg fabric.Config) fabrictest.Pair {
		arena, err := newArena(cfg)
		require.NoError(t, err)
		o := serve(t, arena, nil)
		pair := fabrictest.Local(arena)
		for _, r := range remote {
			if r == fabric.RoleProducer {
				pair.Producer = func() (fabric.Producer, error) { return o.producer(t) }
			} else {
				pair.Consumer = func() (fabric.Consumer, error) { return o.consumer(t) }
			}
		}
		return pair
	}
}

func newInproc(cfg fabric.Config) (fabric.Arena, error) { return inproc.New(cfg) }

func TestFabricProducerRemote(t *testing.T) {
	fabrictest.Run(t, over(newInproc, fabric.RoleProducer))
}

func TestFabricConsumerRemote(t *testing.T) {
	fabrictest.Run(t, over(newInproc, fabric.RoleConsumer))
}

func TestFabricBothRemote(t *testing.T) {
	fabrictest.Run(t, over(newInproc, fabric.RoleProducer, fabric.RoleConsumer))
}
