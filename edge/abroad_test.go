package edge_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/locator"
)

// abroad is an arena some sides of which are attached over TCP, as those of processes on other hosts are.
type abroad struct {
	fabric.Arena
	owner  *owner
	remote map[fabric.Role]bool
}

// owner serves connections to arenas of this process.
type owner struct {
	listener net.Listener
	mu       sync.Mutex
	arenas   map[locator.ArenaID]fabric.Arena
}

// newOwner serves until the test ends.
func newOwner(t *testing.T) *owner {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	o := &owner{listener: l, arenas: map[locator.ArenaID]fabric.Arena{}}
	ctx, cancel := context.WithCancelCause(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tasks.Go(func() { o.serve(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		cancel(errors.New("the node stops"))
		_ = l.Close()
		tasks.Wait()
	})
	return o
}

// serve serves one connection. How it ends is the sides' to say.
func (o *owner) serve(ctx context.Context, conn net.Conn) {
	if _, err := conn.Read(make([]byte, len(api.PrefaceData))); err != nil {
		_ = conn.Close()
		return
	}
	_ = tcp.Serve(ctx, conn, o)
}

// Resolve implements tcp.Resolver.
func (o *owner) Resolve(_ context.Context, h tcp.Hello) (fabric.Arena, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.arenas[h.Arena], nil
}

// rings returns a maker of rings of which the sides in remote are attached from abroad.
func (o *owner) rings(local func(fabric.Config) (fabric.Arena, error), remote ...fabric.Role) func(fabric.Config) (fabric.Arena, error) {
	roles := map[fabric.Role]bool{}
	for _, r := range remote {
		roles[r] = true
	}
	return func(c fabric.Config) (fabric.Arena, error) {
		a, err := local(c)
		if err != nil {
			return nil, err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.arenas[c.Arena] = a
		return &abroad{Arena: a, owner: o, remote: roles}, nil
	}
}

func (a *abroad) attach() tcp.Attach {
	c := a.Config()
	return tcp.Attach{Address: a.owner.listener.Addr().String(), Hello: tcp.Hello{
		Edge: c.Edge, Generation: c.Generation, Arena: c.Arena, Session: "s", Token: "t", Revision: 1,
	}}
}

func (a *abroad) Producer() (fabric.Producer, error) {
	if !a.remote[fabric.RoleProducer] {
		return a.Arena.Producer()
	}
	return tcp.DialProducer(context.Background(), a.attach())
}

func (a *abroad) Consumer() (fabric.Consumer, error) {
	if !a.remote[fabric.RoleConsumer] {
		return a.Arena.Consumer()
	}
	return tcp.DialConsumer(context.Background(), a.attach())
}

// TestMovesAbroad takes rings away, and moves them as planned, under items whose sides are on other hosts than the ring.
func TestMovesAbroad(t *testing.T) {
	codec, err := edge.Fixed[word]()
	require.NoError(t, err)
	local := inprocRing
	if runtime.GOOS == "linux" {
		local = shmRing
	}
	sides := map[string][]fabric.Role{
		"producer": {fabric.RoleProducer}, "consumer": {fabric.RoleConsumer}, "both": {fabric.RoleProducer, fabric.RoleConsumer},
	}
	items := map[string][]edge.Option{"checked": nil, "copied": {edge.UseCodec(codec), edge.Unchecked()}}
	for side, remote := range sides {
		for item, opts := range items {
			t.Run(side+"/"+item, func(t *testing.T) {
				ring := newOwner(t).rings(local, remote...)
				keptInLostRings(t, ring, opts...)
				itemsOutliveTheirRing(t, ring, opts...)
			})
		}
	}
}
