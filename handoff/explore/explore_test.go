package explore_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/handoff/explore"
)

// bounds of the exploration: small by default, and as wide as minutes allow where GRAFNODE_CI is set.
func bounds() (edge, stage explore.Bounds) {
	edge = explore.Bounds{Inputs: 2, Faults: 1, States: 5_000_000}
	stage = explore.Bounds{Inputs: 1, Stage: true, Faults: 1, States: 5_000_000}
	if os.Getenv("GRAFNODE_CI") != "" {
		edge.Faults, stage.Inputs = 2, 2
	}
	return edge, stage
}

// needsTime skips what is one goroutine's: the race detector, for which -short is set, has nothing to find there.
func needsTime(t *testing.T) {
	if testing.Short() {
		t.Skip("explores for a minute: not with -short")
	}
}

// The protocol holds in every state within the bounds.
func TestProtocolHolds(t *testing.T) {
	needsTime(t)
	edge, stage := bounds()
	for name, b := range map[string]explore.Bounds{"edge": edge, "stage": stage} {
		t.Run(name, func(t *testing.T) {
			r := explore.Run(b, explore.None)
			t.Logf("%+v: %v", b, r)
			require.Empty(t, r.Violation, r)
			require.True(t, r.Exhausted, r)
		})
	}
}

// Without any one rule it does not. The search is breadth first, so wide bounds cost little where something is found.
func TestEveryRuleIsNeeded(t *testing.T) {
	needsTime(t)
	check := func(b explore.Bounds, mutants []explore.Mutant) {
		for _, m := range mutants {
			t.Run(string(m), func(t *testing.T) {
				r := explore.Run(b, m)
				t.Log(r)
				require.NotEmpty(t, r.Violation, "the explorer does not miss the rule")
			})
		}
	}
	check(explore.Bounds{Inputs: 2, Faults: 2, States: 2_000_000}, explore.Mutants)
	check(explore.Bounds{Inputs: 1, Stage: true, Faults: 1, States: 5_000_000}, explore.StageMutants)
}

// What follows from other rules is shown to.
func TestHarmless(t *testing.T) {
	needsTime(t)
	edge, _ := bounds()
	for m, why := range explore.Harmless {
		r := explore.Run(edge, m)
		t.Logf("%s: %v, because %s", m, r, why)
		require.Empty(t, r.Violation)
		require.True(t, r.Exhausted)
	}
}
