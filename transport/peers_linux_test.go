package transport_test

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/transport"
)

// dialFrom connects from another address of this host, of which Linux has many.
func dialFrom(t *testing.T, m *transport.Mux, address, says string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).Dial("tcp", m.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	_, err = c.Write([]byte(says))
	require.NoError(t, err)
	return c
}

// Who takes all connections that he gets leaves some to the others, and gets more when he gives some back.
func TestOneAddressDoesNotGetAllConnections(t *testing.T) {
	m := listen(t, transport.Config{ConnsMax: 4, PeerConnsMax: 2})
	var first net.Conn // the node's end
	for range 2 {
		dialFrom(t, m, "127.0.0.2", api.PrefaceData)
		served := acceptProven(t, m)
		if first == nil {
			first = served
		}
	}
	requireCut(t, dialFrom(t, m, "127.0.0.2", ""))
	require.EqualValues(t, 1, m.Stats().Refused)
	dialFrom(t, m, "127.0.0.3", api.PrefaceData)
	require.NoError(t, acceptProven(t, m).Close())

	require.NoError(t, first.Close())
	dialFrom(t, m, "127.0.0.2", api.PrefaceData)
	acceptProven(t, m)
	require.EqualValues(t, 1, m.Stats().Refused)
}

// Who floods the port with connections that say nothing cuts his own, and not those of others that are about to speak.
func TestAFloodCutsItsOwn(t *testing.T) {
	m := listen(t, transport.Config{PrefaceTimeout: time.Hour, NewConnsMax: 8})
	honest := dialFrom(t, m, "127.0.0.3", "")
	var flood []net.Conn
	for range 50 {
		flood = append(flood, dialFrom(t, m, "127.0.0.2", ""))
	}
	for _, c := range flood[:40] {
		requireCut(t, c)
	}
	_, err := honest.Write([]byte(api.PrefaceData))
	require.NoError(t, err)
	served, err := m.Data().Accept()
	require.NoError(t, err)
	require.Equal(t, honest.LocalAddr().String(), served.RemoteAddr().String())
	require.NoError(t, served.Close())
}

// Peers that say they have come for data, and never whose, make room for those who do.
func TestUnprovenDataMakesRoom(t *testing.T) {
	m := listen(t, transport.Config{ConnsMax: 64, PeerConnsMax: 64})
	flood := func() (c net.Conn) {
		for i := range 40 {
			c = dialFrom(t, m, fmt.Sprint("127.0.0.", 2+i%2), api.PrefaceData)
			_, err := m.Data().Accept()
			require.NoError(t, err)
		}
		return c
	}
	flood()
	honest := dialFrom(t, m, "127.0.0.4", api.PrefaceData)
	served := acceptProven(t, m)
	last := flood()
	require.Equal(t, transport.UnprovenMax(64)+1, m.Stats().Open)
	require.EqualValues(t, 80-transport.UnprovenMax(64), m.Stats().Evicted)
	for _, c := range []net.Conn{honest, last} {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
	}
	_, err := io.ReadFull(served, make([]byte, 1))
	require.NoError(t, err)
}

// Whoever takes all connections that there are, nodes reach each other's Raft.
func TestRaftHasConnectionsOfItsOwn(t *testing.T) {
	m := listen(t, transport.Config{ConnsMax: 64, PeerConnsMax: 32})
	for i := range 56 {
		dialFrom(t, m, fmt.Sprint("127.0.0.", 2+i%2), "x")
		_, err := m.HTTP().Accept()
		require.NoError(t, err)
	}
	requireCut(t, dialFrom(t, m, "127.0.0.4", "x"))
	requireCut(t, dialFrom(t, m, "127.0.0.4", api.PrefaceData))
	require.EqualValues(t, 2, m.Stats().Refused)
	for range 8 {
		dialFrom(t, m, "127.0.0.4", api.PrefaceRaft)
		_, err := m.Raft().Accept()
		require.NoError(t, err)
	}
}
