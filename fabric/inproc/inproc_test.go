package inproc_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/inproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newPair(t testing.TB, cfg fabric.Config) fabrictest.Pair {
	a, err := inproc.New(cfg)
	require.NoError(t, err)
	return fabrictest.Local(a)
}

func TestFabric(t *testing.T) { fabrictest.Run(t, newPair) }

func BenchmarkFabric(b *testing.B) { fabrictest.Benchmarks(b, newPair) }

func TestNewRefusesBadConfig(t *testing.T) {
	for _, spoil := range []func(*fabric.Config){
		func(c *fabric.Config) { c.Capacity-- },
		func(c *fabric.Config) { c.Generation = 0 },
		func(c *fabric.Config) { c.Edge = "" },
	} {
		c := fabrictest.Config(fabric.CapacityMin)
		spoil(&c)
		_, err := inproc.New(c)
		require.Error(t, err)
	}
}
