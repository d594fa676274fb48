package rdma_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/rdma"
)

func TestTrusted(t *testing.T) {
	trusted, err := rdma.ParseTrusted([]string{"10.1.0.0/16", "fec0:1::/64"})
	require.NoError(t, err)
	for network, want := range map[string]bool{
		"10.1.2.3/24":         true,
		"10.1.2.3/16":         true,
		"10.1.2.3/15":         false, // another host in it need not be
		"10.2.0.1/24":         false,
		"fec0:1::7/64":        true,
		"fec0:2::7/64":        false,
		"::ffff:10.1.2.3/120": false, // ports' addresses are unmapped
	} {
		require.Equal(t, want, trusted.Has(netip.MustParsePrefix(network)), network)
	}
	require.False(t, rdma.Trusted(nil).Has(netip.MustParsePrefix("10.1.2.3/24")))
	require.False(t, trusted.Has(netip.Prefix{}))
	all, err := rdma.ParseTrusted([]string{"0.0.0.0/0"})
	require.NoError(t, err)
	require.Equal(t, []bool{true, false}, []bool{all.Has(netip.MustParsePrefix("10.1.2.3/24")), all.Has(netip.Prefix{})})
	for _, text := range []string{"", "10.1.0.0", "10.1.0.1/24", "10.1.0.0/33", "eth0"} {
		_, err := rdma.ParseTrusted([]string{"10.0.0.0/8", text})
		require.ErrorContains(t, err, "want a network", text)
	}
}
