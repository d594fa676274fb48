package rdma_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric/rdma"
	"github.com/grafnode/grafnode/fabric/rdma/verbs"
)

func TestParseChoice(t *testing.T) {
	for text, want := range map[string][3]string{ // of edges a, b and of others
		"":                    {"auto", "auto", "auto"},
		"tcp":                 {"tcp", "tcp", "tcp"},
		"a=tcp":               {"tcp", "auto", "auto"},
		"rdma,a=tcp,b=auto":   {"tcp", "auto", "rdma"},
		"a=rdma,tcp":          {"rdma", "tcp", "tcp"},
		"auto,b=rdma,a=rdma,": {},
		"udp":                 {},
		"=tcp":                {},
		"a=":                  {},
		"a=b=tcp":             {},
	} {
		c, err := rdma.ParseChoice(text)
		if want[0] == "" {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, [3]string{c.For("a"), c.For("b"), c.For("c")}, text)
	}
	sure, _ := rdma.ParseChoice("a=rdma,b=auto")
	sure = sure.Encrypted()
	require.Equal(t, [3]string{"rdma", "tcp", "tcp"}, [3]string{sure.For("a"), sure.For("b"), sure.For("c")})
	require.True(t, rdma.Choice{}.Encrypted().None())
	require.Equal(t, "auto", rdma.Choice{}.For("any"))
	all, _ := rdma.ParseChoice("tcp")
	some, _ := rdma.ParseChoice("tcp,a=auto")
	require.Equal(t, []bool{false, true, false}, []bool{rdma.Choice{}.None(), all.None(), some.None()})
}

func TestNetwork(t *testing.T) {
	require.Equal(t, "127.0.0.1/8", rdma.Network(verbs.Port{GID: netip.MustParseAddr("::ffff:127.0.0.1").As16(), Net: "lo"}).String())
	require.Equal(t, "10.1.2.3/24", rdma.Network(verbs.Port{GID: netip.MustParseAddr("::ffff:10.1.2.3").As16(), Net: "no such"}).String())
	require.Equal(t, "fec0:1::7/64", rdma.Network(verbs.Port{GID: netip.MustParseAddr("fec0:1::7").As16()}).String())
}
