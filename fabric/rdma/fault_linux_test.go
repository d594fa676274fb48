package rdma_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/faultnet"
)

// A producer whose ring's memory is no longer registered is refused by the adapter, and nothing that it writes lands. That its own adapter has been told
// so is counted; it is the producer's loss, too, unless the owner's adapter has broken its pair for it, and the owner's word of that comes first: so a
// test of the loss has to keep the owner from hearing of it, which only a fake can.
func TestStaleProducerIsFenced(t *testing.T) {
	t.Parallel() // it waits, most of the time
	s := newSides(t, 20)
	s.push([]byte("before"))
	require.NoError(t, s.p.Flush())
	require.Equal(t, "before", string(s.pop()))
	before, want := s.far.Stats().Refused, fabric.ErrDisconnected
	if s.ownerHost != nil {
		s.ownerHost.Pairs()[0].Mute()
		want = rdma.ErrFenced
	}
	require.NoError(t, s.ownerPair().Region(0).Close()) // and the producer knows nothing
	s.push([]byte("after"))
	require.NoError(t, s.p.Flush())
	s.refused(1)
	require.ErrorIs(t, s.producerLoss(), want)
	require.Eventually(t, func() bool { return s.far.Stats().Refused == before+1 }, patience, time.Millisecond)
	require.EqualValues(t, 1, s.arena.Usage().Committed)
	_, err := s.c.Next()
	require.ErrorIs(t, err, fabric.ErrEmpty)
}

// When a ring is sealed its memory is deregistered, though the producer's writes are still under way: they are refused, and the producer hears why.
func TestSealFences(t *testing.T) {
	needsFake(t)
	s := newSides(t, 21)
	s.network.Hold()
	s.push([]byte("under way"))
	require.NoError(t, s.p.Flush())
	s.arena.Seal(fabric.ErrRevoked)
	require.ErrorIs(t, s.producerLoss(), fabric.ErrRevoked)
	require.ErrorIs(t, s.p.Close(), nil)
	require.ErrorIs(t, s.serveEnded(), fabric.ErrRevoked)
	require.Zero(t, s.ownerHost.Regions())
	s.network.Release()
	require.Zero(t, s.arena.Usage().Committed)
}

// A key is of use on its own pair only: with the one of a newer generation's ring an older producer is refused all the same.
func TestKeysOfOthersAreRefused(t *testing.T) {
	needsFake(t)
	older := newSides(t, 22)
	newer := newHosts(t, fabrictest.Config(fabric.CapacityMin), 22)
	pair, err := older.ownerHost.NewPair(verbs.Room{Writes: 4, Receives: 4})
	require.NoError(t, err)
	region, err := pair.Register(make([]byte, 64), verbs.RemoteWrite)
	require.NoError(t, err)
	older.hostile(verbs.Write{
		ID: 1 << 40, Local: []byte("mine?"), Inline: true, Signaled: true, To: region.Remote().At, RKey: region.Remote().Key,
	})
	require.Eventually(t, func() bool { return older.ownerHost.Counts().Refused == 1 }, patience, 1)
	require.NoError(t, pair.Close())
	require.Zero(t, newer.ownerHost.Counts().Refused)
}

// An adapter that gives up ends the way at both ends, and the side's loss says so.
func TestAdapterGivesUp(t *testing.T) {
	needsFake(t)
	for name, status := range map[string]verbs.Status{"retries": verbs.StatusRetries, "not-ready": verbs.StatusNotReady, "other": verbs.StatusOther} {
		for _, at := range []string{"far", "owner"} {
			t.Run(name+"-"+at, func(t *testing.T) {
				t.Parallel() // it waits, most of the time
				s := newSides(t, 23)
				if at == "far" {
					s.farHost.Pairs()[0].FailNext(status)
					s.push([]byte("lost"))
					require.NoError(t, s.p.Flush())
				} else {
					s.ownerHost.Pairs()[0].FailNext(status)
					s.credit(8, 0)
				}
				require.ErrorIs(t, s.producerLoss(), fabric.ErrDisconnected)
				require.ErrorIs(t, s.serveEnded(), fabric.ErrDisconnected)
				require.Zero(t, s.ownerHost.Regions(), "the ring is still registered")
				_, err := s.c.Next()
				require.ErrorIs(t, err, fabric.ErrEmpty)
			})
		}
	}
}

// The connection decides who lives: when it ends nothing is left of the way, whether or not completions ever come.
func TestConnectionDecides(t *testing.T) {
	for name, mute := range map[string]func(*sides){
		"all-well":   func(*sides) {},
		"far-mute":   func(s *sides) { s.farHost.Pairs()[0].Mute() },
		"owner-mute": func(s *sides) { s.ownerHost.Pairs()[0].Mute() },
		"no-network": func(s *sides) { s.network.Hold() },
	} {
		t.Run(name, func(t *testing.T) {
			if name != "all-well" {
				needsFake(t)
			}
			h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 24)
			proxy := faultnet.Start(t, h.listener.Addr().String())
			h.address = proxy.Addr()
			s := attached(t, h)
			mute(s)
			for { // more than the window takes without completions
				b, err := s.p.Claim(100)
				if errors.Is(err, fabric.ErrFull) {
					break
				}
				require.NoError(t, err)
				clear(b)
				require.NoError(t, s.p.Commit())
				require.NoError(t, s.p.Flush())
			}
			proxy.Reset()
			require.ErrorIs(t, s.producerLoss(), fabric.ErrDisconnected)
			require.ErrorIs(t, s.serveEnded(), fabric.ErrDisconnected)
			s.deregistered(s.ownerHost)
			require.NoError(t, s.p.Close())
			s.deregistered(s.farHost)
			if s.network != nil {
				s.network.Release()
			}
			n := uint64(0)
			for ; ; n++ {
				if _, err := s.c.Next(); err != nil {
					require.ErrorIs(t, err, fabric.ErrEmpty)
					break
				}
			}
			require.Equal(t, s.arena.Usage().Committed, n)
		})
	}
}

// A network that stands still for a while loses nothing.
func TestNetworkPauses(t *testing.T) {
	needsFake(t)
	s := newSides(t, 25)
	sent := make(chan error, 1)
	lengths := make([]int, 3000)
	for i := range lengths {
		lengths[i] = i % 97
	}
	go func() { sent <- s.send(lengths, 5) }()
	for i, n := range lengths {
		if i%500 == 250 {
			s.network.Hold()
			s.network.Release()
		}
		require.Equal(t, filled(i, n), s.pop())
		require.NoError(t, s.c.Ack(uint64(i+1), nil))
	}
	require.NoError(t, <-sent)
}

// Close delivers what was flushed, though the window was full.
func TestCloseDelivers(t *testing.T) {
	needsFake(t)
	s := newSides(t, 26)
	s.network.Hold()
	for range 500 {
		s.push(make([]byte, 16))
		require.NoError(t, s.p.Flush())
	}
	closed := make(chan error, 1)
	go func() { closed <- s.p.Close() }()
	s.network.Release()
	require.NoError(t, <-closed)
	require.EqualValues(t, 500, s.arena.Usage().Committed)
	for range 500 {
		s.pop()
	}
}

var errLocked = errors.New("cannot allocate memory: RLIMIT_MEMLOCK")

// Where a way cannot be set up the records go by the connection, and both ends' count says so.
func TestFallback(t *testing.T) {
	needsFake(t)
	for name, c := range map[string]struct {
		spoil      func(*hosts)
		far, owner uint64 // fallbacks
	}{
		"owner-cannot-register": {func(h *hosts) { h.ownerHost.Refuse(errLocked) }, 1, 1},
		"far-cannot-register":   {func(h *hosts) { h.farHost.Refuse(errLocked) }, 1, 1},
		"packets-are-lost":      {func(h *hosts) { h.farHost.Cut() }, 1, 1},
		"owner-has-none":        {func(h *hosts) { h.server = nil }, 0, 0},
		"owner-wants-none":      {func(h *hosts) { h.owner = openAs(h.t, h.ownerHost, "tcp", nil); h.server = h.owner }, 0, 0},
		"only-far-wants-it": {func(h *hosts) {
			h.server, h.far = nil, openAs(h.t, h.farHost, "rdma", nil)
			h.client = h.far
		}, 1, 0},
		"writes-are-short": {func(h *hosts) {
			h.farHost.SetWriteMax(fabric.CapacityMin / 64)
			h.far = openAs(h.t, h.farHost, "", nil)
			h.client = h.far
		}, 1, 1},
		"far-has-none": {func(h *hosts) { h.client = nil }, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 27)
			c.spoil(h)
			s := attached(t, h)
			for i := range 2000 {
				s.push(filled(i, 100))
				require.NoError(t, s.p.Flush())
				require.Equal(t, filled(i, 100), s.pop())
				require.NoError(t, s.c.Ack(uint64(i+1), nil))
			}
			require.Equal(t, c.far, h.far.Stats().Fallbacks)
			require.Equal(t, c.owner, h.owner.Stats().Fallbacks)
			require.Zero(t, h.ownerHost.Counts().Bytes+h.farHost.Counts().Bytes)
			require.NoError(t, s.p.Close())
			require.NoError(t, s.serveEnded())
		})
	}
}

// What is no offer of this version is declined.
func TestAcceptDeclines(t *testing.T) {
	needsFake(t)
	h := newHosts(t, fabrictest.Config(fabric.CapacityMin), 28)
	for _, text := range []string{"", "{", `{"v":99}`, `{"v":0}`, "[]"} {
		_, _, err := h.owner.Accept("edge", text, nil)
		require.Error(t, err, "%q", text)
	}
	require.Empty(t, h.ownerHost.Pairs())
	var _ tcp.Direct = h.owner
	_, err := rdma.Open(rdma.Config{})
	require.ErrorIs(t, err, fabric.ErrUnsupported)
}
