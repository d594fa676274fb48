package rdma_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/rdma/verbsfake"
	"github.com/grafnode/grafnode/fabric/tcp"
)

// When an adapter is lost so is every way by it, though no completion comes any more, and whoever attaches later goes by TCP.
func TestAdapterIsLost(t *testing.T) {
	needsFake(t)
	for _, at := range []string{"far", "owner"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel() // it waits, most of the time
			s := newSides(t, 30)
			host := map[string]*verbsfake.Host{"far": s.farHost, "owner": s.ownerHost}[at]
			host.Pairs()[0].Mute()
			host.Say(verbs.Event{Kind: verbs.DeviceLost, What: "on fire"})
			err := s.producerLoss()
			require.ErrorIs(t, err, fabric.ErrDisconnected)
			require.ErrorContains(t, err, "on fire")
			require.ErrorIs(t, s.serveEnded(), fabric.ErrDisconnected)

			h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 30)
			h.server, h.client = s.owner, s.far
			next := attached(t, h)
			next.push([]byte("by TCP"))
			require.NoError(t, next.p.Flush())
			require.Equal(t, "by TCP", string(next.pop()))
			require.EqualValues(t, 1, s.far.Stats().Fallbacks)
		})
	}
}

// An adapter may say of one pair that it is broken: the others go on. That a port is down ends none: their retries may outlast it.
func TestEventsOfPairsAndPorts(t *testing.T) {
	needsFake(t)
	t.Parallel() // it waits, most of the time
	h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 31)
	log := &lines{}
	h.far = openAs(t, h.farHost, "", log.log())
	h.client = h.far
	broken := attached(t, h)
	number := h.farPair().Local().Number
	other := newHosts(t, fabrictest.Config(fabric.CapacityMin), 31)
	other.client, other.server = h.far, h.owner
	whole := attached(t, other)

	for port := range uint32(2) {
		h.farHost.Say(verbs.Event{Kind: verbs.PortDown, Number: port + 1, What: "no cable"})
	}
	h.farHost.Say(verbs.Event{Kind: verbs.PortUp, Number: 1, What: "a cable"})
	h.farHost.Say(verbs.Event{Kind: verbs.PairBroken, Number: 1 << 20, What: "nobody's"})
	h.farPair().(*verbsfake.Pair).Mute()
	h.farHost.Say(verbs.Event{Kind: verbs.PairBroken, Number: number, What: "out of order"})
	err := broken.producerLoss()
	require.ErrorIs(t, err, fabric.ErrDisconnected)
	require.ErrorContains(t, err, "out of order")
	require.Equal(t, []int{1, 1}, []int{log.with("no cable"), log.with("a cable")}, "of its own port")
	whole.push([]byte("goes on"))
	require.NoError(t, whole.p.Flush())
	require.Equal(t, "goes on", string(whole.pop()))
}

// A node whose adapter was not reached is not asked again for a while. Each of its rings is counted, and the reason said once.
func TestUnreachedIsLeftAlone(t *testing.T) {
	needsFake(t)
	h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 32)
	log := &lines{}
	a := rdma.NewAdapters(h.farHost, rdma.Choice{}, log.log())
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	at := func(host *verbsfake.Host) verbs.Port {
		ports, err := host.Ports()
		require.NoError(t, err)
		return ports[0]
	}
	node := rdma.Network(at(h.ownerHost))
	h.client = a.To("edge", 1, node, false)
	far := h.client.(*rdma.Fabric)
	h.farHost.Cut()
	s := attached(t, h)
	s.push([]byte("by TCP"))
	require.NoError(t, s.p.Flush())
	require.Equal(t, "by TCP", string(s.pop()))
	require.Eventually(t, func() bool { return far.Stats().Fallbacks == 1 }, patience, time.Millisecond) // when the owner has said so
	for range 3 {
		require.Nil(t, a.To("edge", 1, node, false))
	}
	require.NotNil(t, a.To("edge", 1, rdma.Network(at(h.network.Host("another"))), false), "others may be reached")
	require.EqualValues(t, 4, far.Stats().Fallbacks)
	require.Equal(t, 1, log.with("is not reached"), strings.Join(log.all, ""))
}

// Who waits for an adapter that neither carries nor complains, and gives the attach up, is let go: that is nobody's failure.
func TestAttachIsGivenUp(t *testing.T) {
	needsFake(t)
	h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 34)
	h.network.Hold()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := tcp.DialProducer(ctx, h.attach())
		ended <- err
	}()
	require.Eventually(t, func() bool { return h.far.Stats().Posts == 1 }, patience, time.Millisecond)
	why := errors.New("something else is to be done")
	cancel(why)
	require.ErrorIs(t, <-ended, why)
	require.Error(t, <-h.ended)
	require.Zero(t, h.far.Stats().Fallbacks)
	require.Zero(t, h.farHost.Regions()+h.ownerHost.Regions())
	require.NoError(t, h.arena.Close())
}

// A port may take less at once than a ring holds.
func TestWritesAreNoLongerThanThePortTakes(t *testing.T) {
	needsFake(t)
	for _, writeMax := range []uint64{fabric.CapacityMin / 45, 10000, fabric.CapacityMin} {
		h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 33)
		h.farHost.SetWriteMax(writeMax)
		h.far = openAs(t, h.farHost, "", nil)
		h.client = h.far
		s := attached(t, h)
		lengths := make([]int, 200)
		for i := range lengths {
			lengths[i] = 7 * i % fabric.RecordMax(fabric.CapacityMin)
			if i%10 == 0 {
				lengths[i] = fabric.RecordMax(fabric.CapacityMin)
			}
		}
		sent := make(chan error, 1)
		go func() { sent <- s.send(lengths, 9) }()
		for i, n := range lengths {
			require.Equal(t, filled(i, n), s.pop())
			require.NoError(t, s.c.Ack(uint64(i+1), nil))
		}
		require.NoError(t, <-sent)
		require.Zero(t, s.far.Stats().Fallbacks)
	}
}
