package server

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

func TestLostLately(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	change := func(node locator.NodeID, reason api.Reason, ago time.Duration) api.Change {
		return api.Change{Node: node, Reason: reason, Time: now.Add(-ago)}
	}
	for _, c := range []struct {
		name    string
		history []api.Change
		want    []locator.NodeID
	}{
		{"no edge", nil, nil},
		{"new", []api.Change{change("a", api.ReasonCreated, 0)}, nil},
		{"the oldest known change: what was before is forgotten", []api.Change{change("b", api.ReasonRingLost, 0)}, nil},
		{"to and fro", []api.Change{
			change("a", api.ReasonTakeover, 50*time.Second),
			change("b", api.ReasonRingLost, 30*time.Second),
			change("a", api.ReasonRingLost, 10*time.Second),
		}, []locator.NodeID{"a", "b"}},
		{"long ago", []api.Change{
			change("a", api.ReasonTakeover, time.Hour),
			change("b", api.ReasonRingLost, lossCounts),
		}, nil},
		{"moved for another reason", []api.Change{
			change("a", api.ReasonTakeover, time.Second),
			change("b", api.ReasonRequested, 0),
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, lostLately(slices.Values(c.history), now)) })
	}
}
