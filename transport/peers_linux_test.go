package transport_test

import (
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
		served, err := m.Data().Accept()
		require.NoError(t, err)
		if first == nil {
			first = served
		}
	}
	requireCut(t, dialFrom(t, m, "127.0.0.2", ""))
	require.EqualValues(t, 1, m.Stats().Refused)
	dialFrom(t, m, "127.0.0.3", api.PrefaceData)
	served, err := m.Data().Accept()
	require.NoError(t, err)
	require.NoError(t, served.Close())

	require.NoError(t, first.Close())
	dialFrom(t, m, "127.0.0.2", api.PrefaceData)
	_, err = m.Data().Accept()
	require.NoError(t, err)
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
