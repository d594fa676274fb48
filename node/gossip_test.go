package node

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/membership"
)

func TestForeignersAreNamed(t *testing.T) {
	problems := foreigners([]membership.Member{{ID: "b", Address: "b:1", Cluster: "c2"}})
	require.Len(t, problems, 1)
	require.Contains(t, problems[0], "node b (b:1)")
	require.Contains(t, problems[0], "c2")
}

func TestATooOldNodeIsTold(t *testing.T) {
	holds := func(level uint64) membership.Member {
		return membership.Member{ID: "a", Health: membership.Alive, Needs: level}
	}
	require.Empty(t, tooNew(2, []membership.Member{holds(1), holds(2)}))
	require.Len(t, tooNew(2, []membership.Member{holds(2), holds(3)}), 1)
}
