package membership

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dialFrom connects from another address of this host, of which Linux has many.
func dialFrom(t *testing.T, g *Gossip, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).Dial("tcp", g.Address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// Who opens connections without end, and says nothing, or talks without end, has his own closed, and members find each other meanwhile.
func TestStrangersDoNotTakeAllOfGossip(t *testing.T) {
	cfg := config("a", "127.0.0.1")
	cfg.Timing.Stream = time.Hour // nobody is cut for being slow
	a := start(t, cfg)
	var flood []net.Conn
	for range 3 * peerStreamsMax {
		flood = append(flood, dialFrom(t, a, "127.0.0.9"))
	}
	for _, c := range flood[peerStreamsMax:] {
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err, "it was taken on")
	}
	b := start(t, config("b", "127.0.0.2", a.Address()))
	await(t, b, "with a", seesAll("a", "b"))
	await(t, a, "with b", seesAll("a", "b"))

	// The others are still there, until they have said too much.
	var talking sync.WaitGroup
	for _, c := range flood[:peerStreamsMax] {
		talking.Go(func() {
			_, _ = c.Write([]byte("\x06\x00\x00")) // the beginning of a push of state
			_, err := io.CopyN(c, zeros{}, 100*streamBytesMax)
			if err == nil {
				t.Error("all of it was taken")
			}
		})
	}
	talking.Wait()
	again := dialFrom(t, a, "127.0.0.9")
	require.NoError(t, again.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := again.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout", "there is room for it again")
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func TestStreamsAreBounded(t *testing.T) {
	s := &streams{of: map[netip.Prefix]int{}}
	peers := streamsMax / peerStreamsMax
	for i := range peers + 1 {
		from := netip.MustParsePrefix(fmt.Sprintf("10.0.0.%d/32", i))
		for range peerStreamsMax {
			require.Equal(t, i < peers, s.enter(from))
		}
		require.False(t, s.enter(from))
	}
	s.leave(netip.MustParsePrefix("10.0.0.0/32"))
	require.True(t, s.enter(netip.MustParsePrefix("10.0.0.9/32")))
}
