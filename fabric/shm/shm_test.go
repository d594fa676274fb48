//go:build linux

package shm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/fabrictest"
	"github.com/grafnode/grafnode/fabric/shm"
)

func TestFabric(t *testing.T) {
	fabrictest.Run(t, func(t testing.TB, cfg fabric.Config) fabrictest.Pair {
		a, err := shm.New(cfg)
		require.NoError(t, err)
		return fabrictest.Local(a)
	})
}
