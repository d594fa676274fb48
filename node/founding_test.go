package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
)

func founder(id string) membership.Member {
	return membership.Member{ID: locator.NodeID(id), Address: id + ":1", Health: membership.Alive, Expect: 3}
}

func with(m membership.Member, change func(*membership.Member)) membership.Member {
	change(&m)
	return m
}

func TestAssemble(t *testing.T) {
	a, b, c, d := founder("a"), founder("b"), founder("c"), founder("d")
	for name, tc := range map[string]struct {
		self    string
		members []membership.Member
		founder string
		says    string
	}{
		"all here":                 {"b", []membership.Member{c, a, b}, "a", ""},
		"too few":                  {"a", []membership.Member{a, b}, "", "2 of 3"},
		"a dead one":               {"a", []membership.Member{a, b, with(c, func(m *membership.Member) { m.Health = membership.Dead })}, "", "2 of 3"},
		"one that founds none":     {"a", []membership.Member{a, b, with(c, func(m *membership.Member) { m.Expect = 0 })}, "", "2 of 3"},
		"one of another mind":      {"a", []membership.Member{a, b, with(c, func(m *membership.Member) { m.Expect = 5 })}, "", "must agree"},
		"one with state":           {"a", []membership.Member{a, b, c, with(d, func(m *membership.Member) { m.HasState = true })}, "", "taken in"},
		"one with a cluster":       {"a", []membership.Member{a, b, c, with(d, func(m *membership.Member) { m.Cluster = "x" })}, "", "taken in"},
		"more than expected":       {"c", []membership.Member{a, b, c, d}, "a", ""},
		"complete without oneself": {"d", []membership.Member{a, b, c, d}, "", "without this node"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := assemble(locator.NodeID(tc.self), 3, tc.members)
			if tc.says != "" {
				require.ErrorContains(t, err, tc.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, locator.NodeID(tc.founder), got.founder)
			require.Equal(t, []registry.Peer{{ID: "a", Address: "a:1"}, {ID: "b", Address: "b:1"}, {ID: "c", Address: "c:1"}}, got.peers)
		})
	}
}

func newPromises(dir, self string, expect int) *promises {
	return &promises{self: locator.NodeID(self), expect: expect, path: filepath.Join(dir, self),
		taken: func() (bool, error) { return false, nil }}
}

func TestAPromiseIsKeptOverRestarts(t *testing.T) {
	dir := t.TempDir()
	nodes := []locator.NodeID{"a", "b", "c"}
	require.NoError(t, newPromises(dir, "b", 3).Promise(api.FoundRequest{Founder: "a", Nodes: nodes}))
	again := newPromises(dir, "b", 3)
	require.NoError(t, again.Promise(api.FoundRequest{Founder: "a", Nodes: nodes}))
	require.ErrorIs(t, again.Promise(api.FoundRequest{Founder: "c", Nodes: nodes}), api.ErrConflict)
}

func TestPromisesThatCannotBeGiven(t *testing.T) {
	p := newPromises(t.TempDir(), "b", 3)
	require.ErrorIs(t, p.Promise(api.FoundRequest{Founder: "a", Nodes: []locator.NodeID{"a", "b"}}), api.ErrConflict)
	require.ErrorIs(t, p.Promise(api.FoundRequest{Founder: "a", Nodes: []locator.NodeID{"a", "c", "d"}}), api.ErrInvalid)
	require.ErrorIs(t, p.Promise(api.FoundRequest{Founder: "x", Nodes: []locator.NodeID{"a", "b", "c"}}), api.ErrInvalid)
	p.taken = func() (bool, error) { return true, nil }
	require.ErrorIs(t, p.Promise(api.FoundRequest{Founder: "a", Nodes: []locator.NodeID{"a", "b", "c"}}), api.ErrConflict)
}

// Nodes see whatever gossip shows them and try to found in any order, with requests lost: never do two sets with a node in
// common both found.
func TestNoNodeIsInTwoClusters(t *testing.T) {
	all := []string{"a", "b", "c", "d", "e"}
	parent := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(parent, "") // of this run's own: promises last
		require.NoError(t, err)
		nodes := map[locator.NodeID]*promises{}
		for _, id := range all {
			nodes[locator.NodeID(id)] = newPromises(dir, id, 3)
		}
		founded := map[locator.NodeID]locator.NodeID{} // node: its founder
		for range rapid.IntRange(1, 20).Draw(t, "tries") {
			self := locator.NodeID(rapid.SampledFrom(all).Draw(t, "self"))
			var seen []membership.Member
			for _, id := range all {
				if id == string(self) || rapid.Bool().Draw(t, "sees "+id) {
					seen = append(seen, founder(id))
				}
			}
			a, err := assemble(self, 3, seen)
			if err != nil || a.founder != self {
				continue
			}
			err = nodes[self].gather(context.Background(), a, func(_ context.Context, address string, r api.FoundRequest) error {
				if rapid.Bool().Draw(t, "lost") {
					return errors.New("lost")
				}
				return nodes[locator.NodeID(address[:1])].Promise(r)
			})
			if err != nil {
				continue
			}
			for _, p := range a.peers {
				if was := founded[p.ID]; was != "" && was != self {
					t.Fatalf("node %s is in the clusters of %s and %s", p.ID, was, self)
				}
				founded[p.ID] = self
			}
		}
	})
}
