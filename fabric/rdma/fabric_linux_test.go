package rdma_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
)

func TestFabric(t *testing.T) {
	fabrictest.Run(t, func(t testing.TB, cfg fabric.Config) fabrictest.Pair {
		h := newHosts(t, cfg, 1)
		t.Cleanup(func() {
			require.Zero(t, h.owner.Stats().Fallbacks+h.far.Stats().Fallbacks, "it went by TCP")
		})
		return h.pair()
	})
}
