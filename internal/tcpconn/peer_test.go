package tcpconn

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// Who has an IPv6 network is one peer, by whichever of its addresses he comes; but the hosts of this host's own network are peers each.
func TestPeersAreCountedByWhatOneOwns(t *testing.T) {
	for _, c := range []struct{ remote, local, want string }{
		{"192.0.2.7", "192.0.2.1", "192.0.2.7/32"},
		{"192.0.2.7", "10.0.0.1", "192.0.2.7/32"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:9::1", "2001:db8:1:2::/64"},
		{"2001:db8:1:2:ffff::", "2001:db8:9::1", "2001:db8:1:2::/64"},
		{"2001:db8:1:3::", "2001:db8:9::1", "2001:db8:1:3::/64"},
		{"2001:db8:9::2", "2001:db8:9::1", "2001:db8:9::2/128"},
		{"fe80::2", "fe80::1", "fe80::2/128"},
		{"::1", "::1", "::1/128"},
	} {
		require.Equal(t, c.want, counted(netip.MustParseAddr(c.remote), netip.MustParseAddr(c.local)).String(), "%+v", c)
	}
}
