package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

func TestPick(t *testing.T) {
	nodes := []api.Node{{ID: "aa1", Name: "one"}, {ID: "aa2", Name: "two"}, {ID: "bb", Name: "two"}, {ID: "one", Name: "bb"}, {ID: "cc"}}
	of := func(n api.Node) (locator.NodeID, string) { return n.ID, n.Name }
	for typed, want := range map[string]struct {
		id      locator.NodeID
		matches int
	}{
		"aa2": {"aa2", 1}, "aa": {"aa2", 2}, "two": {"bb", 2}, "b": {"bb", 1}, "c": {"cc", 1}, "": {"", 0}, "on": {"one", 1}, "tw": {"", 0},
		"bb":  {"bb", 1}, // an ID is meant, whoever is called so
		"one": {"one", 1},
	} {
		n, matches := pick(nodes, typed, of)
		require.Equal(t, want.matches, matches, typed)
		if matches == 1 {
			require.Equal(t, want.id, n.ID, typed)
		}
	}
}
