package lab_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/internal/lab"
)

func TestNodesAreTheirOwn(t *testing.T) {
	nodes, err := lab.Plan(3, "/dir")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, n := range nodes {
		for _, own := range []string{n.Name, n.Zone, n.Address, n.Socket, n.Data} {
			require.NotEmpty(t, own)
			require.False(t, seen[own], own)
			seen[own] = true
		}
		require.Equal(t, "/dir", filepath.Dir(n.Socket))
	}
	args := lab.Agent(nodes[1], nodes, "--further", "more")
	require.Equal(t, []string{"agent", "--name", "node-2"}, args[:3])
	require.Equal(t, []string{"--bootstrap-expect", "3", "--further", "more"}, args[len(args)-4:])
	require.Contains(t, args, nodes[0].Address+","+nodes[1].Address+","+nodes[2].Address)
}

func TestTail(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	require.Contains(t, lab.Tail(log), "no such file")
	require.NoError(t, os.WriteFile(log, []byte(strings.Repeat("before\n", 200)+"first\nlast\n"), 0o600))
	require.True(t, strings.HasSuffix(lab.Tail(log), " | first | last"))
	require.Less(t, len(lab.Tail(log)), 1200)
}
