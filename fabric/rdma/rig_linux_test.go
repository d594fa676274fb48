package rdma_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/rdma/verbsfake"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/fabric/tcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(tests{m}) }

// tests are the package's, with adapters that all of them share.
type tests struct{ *testing.M }

func (t tests) Run() int {
	status := t.M.Run()
	if err := closeAdapters(); err != nil {
		fmt.Println(err)
		status = max(status, 1)
	}
	return status
}

// onAdapters, unless nil, is asked for fabrics over real adapters, and for the first pair of each that the test has made.
var (
	onAdapters    func(testing.TB) (owner, far *rdma.Fabric, ownerPair, farPair func() pair)
	closeAdapters = func() error { return nil }
)

// pair is what a test may do with a pair beside the package.
type pair interface {
	verbs.Pair
	Region(n int) verbs.Region
}

// needsFake skips a test that does what no adapter can be told to do.
func needsFake(t testing.TB) {
	t.Helper()
	if onAdapters != nil {
		t.Skip("only a fake can do this")
	}
}

// suiteHeartbeat is so long that a process which is kept from running while others test is not taken for dead.
var suiteHeartbeat = min(patience/3, time.Minute)

// hosts are two, with an adapter each: the ring's, and the remote producer's.
type hosts struct {
	t                  testing.TB
	network            *verbsfake.Network // nil on real adapters, like the hosts
	ownerHost, farHost *verbsfake.Host
	ownerPair, farPair func() pair
	owner, far         *rdma.Fabric
	server, client     tcp.Direct // the same, unless there is to be none
	address            string     // of the owner
	arena              *shm.Arena
	listener           net.Listener
	ended              chan error // what each Serve returned
}

func newHosts(t testing.TB, cfg fabric.Config, seed uint64) *hosts {
	t.Helper()
	h := &hosts{t: t, ended: make(chan error, 8)}
	if onAdapters != nil {
		h.owner, h.far, h.ownerPair, h.farPair = onAdapters(t)
	} else {
		h.network = verbsfake.NewNetwork(seed)
		h.ownerHost, h.farHost = h.network.Host("owner"), h.network.Host("far")
		h.owner, h.far = open(t, h.ownerHost), open(t, h.farHost)
		h.ownerPair = func() pair { return h.ownerHost.Pairs()[0] }
		h.farPair = func() pair { return h.farHost.Pairs()[0] }
	}
	h.server, h.client = h.owner, h.far
	var err error
	h.arena, err = shm.New(cfg)
	require.NoError(t, err)
	h.serve()
	return h
}

func open(t testing.TB, host *verbsfake.Host) *rdma.Fabric {
	t.Helper()
	return openAs(t, host, "", nil)
}

// openAs opens a host's adapter with a choice.
func openAs(t testing.TB, host *verbsfake.Host, choice string, log *slog.Logger) *rdma.Fabric {
	t.Helper()
	ports, err := host.Ports()
	require.NoError(t, err)
	c, err := rdma.ParseChoice(choice)
	require.NoError(t, err)
	f, err := rdma.Open(rdma.Config{Provider: host, Port: ports[0], Choice: c, Logger: log})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, f.Close())
		require.Zero(t, host.Regions(), "regions are left")
	})
	return f
}

func (h *hosts) Resolve(_ context.Context, hello tcp.Hello) (fabric.Arena, error) {
	if hello.Token != "secret" {
		return nil, tcp.ErrUnauthorised
	}
	return h.arena, nil
}

// serve has the arena be attached until the test ends.
func (h *hosts) serve() {
	var err error
	h.listener, err = net.Listen("tcp", "127.0.0.1:0")
	require.NoError(h.t, err)
	h.address = h.listener.Addr().String()
	ctx, cancel := context.WithCancelCause(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := h.listener.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() {
				if _, err := conn.Read(make([]byte, len(api.PrefaceData))); err != nil {
					_ = conn.Close()
					return
				}
				h.ended <- tcp.Server{Resolver: h, Direct: h.server}.Serve(ctx, conn)
			})
		}
	})
	h.t.Cleanup(func() {
		cancel(errors.New("the node stops"))
		_ = h.listener.Close()
		tasks.Wait()
	})
}

// producer attaches the producer from the far host.
func (h *hosts) producer() (fabric.Producer, error) {
	return tcp.DialProducer(h.t.Context(), h.attach())
}

func (h *hosts) attach() tcp.Attach {
	c := h.arena.Config()
	return tcp.Attach{Address: h.address, Direct: h.client, Hello: tcp.Hello{
		Edge: c.Edge, Generation: c.Generation, Arena: c.Arena, Session: "s", Token: "secret", Revision: 1, Heartbeat: suiteHeartbeat,
	}}
}

func (h *hosts) pair() fabrictest.Pair {
	pair := fabrictest.Local(h.arena)
	pair.Producer = h.producer
	return pair
}
