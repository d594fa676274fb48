package flow_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// The peers' module has a copy, so that it depends on nothing of grafnode's.
func TestPeersHaveTheSameFlow(t *testing.T) {
	for _, name := range []string{"flow.go", "link.go"} {
		ours, err := os.ReadFile(name)
		require.NoError(t, err)
		theirs, err := os.ReadFile("../../../bench/flow/" + name)
		require.NoError(t, err)
		require.Equal(t, string(ours), string(theirs), "copy internal/benchmark/flow/%s to bench/flow/", name)
	}
}
