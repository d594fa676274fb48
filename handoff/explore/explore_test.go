package explore_test

import (
	"maps"
	"os"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/handoff/explore"
)

// There is memory enough for garbage: to look for it less often takes a quarter off the time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// bounds of the exploration, all of it exhaustive: what takes seconds, what takes a minute of two processors where GRAFNODE_CI is set, and where
// GRAFNODE_TORTURE is what takes longer, too.
func bounds() map[string]explore.Bounds {
	all := quickBounds()
	if ci() {
		maps.Copy(all, ciBounds())
	}
	if torture() {
		maps.Copy(all, tortureBounds())
	}
	return all
}

func torture() bool { return os.Getenv("GRAFNODE_TORTURE") != "" }
func ci() bool      { return torture() || os.Getenv("GRAFNODE_CI") != "" }

func quickBounds() map[string]explore.Bounds {
	return map[string]explore.Bounds{
		"edge":         {Inputs: 2, Faults: 1},
		"stage":        {Inputs: 1, Shape: explore.Staged, Faults: 1},
		"merge":        {Inputs: 1, Shape: explore.Merged, Faults: 1, Only: explore.Losses, Begun: true},
		"log":          {Inputs: 1, Shape: explore.Logged, Faults: 1},
		"spare":        {Inputs: 1, Faults: 1, Spares: 1},
		"spare, told":  {Inputs: 1, Faults: 1, Spares: 1, Only: explore.Losses, Tells: true},
		"spare, apart": {Inputs: 1, Spares: 1, Apart: true, Alarms: true},
		"planned":      {Inputs: 1, Faults: 1, Only: explore.Losses, Spares: 1, Plans: true},
	}
}

// ciBounds take the place of narrower ones of the same name.
func ciBounds() map[string]explore.Bounds {
	return map[string]explore.Bounds{
		"edge":           {Inputs: 2, Faults: 2},
		"stage":          {Inputs: 2, Shape: explore.Staged, Faults: 1},
		"merge":          {Inputs: 1, Shape: explore.Merged, Faults: 1},
		"log":            {Inputs: 2, Shape: explore.Logged, Faults: 1},
		"merge, losses":  {Inputs: 1, Shape: explore.Merged, Faults: 2, Only: explore.Losses, Begun: true},
		"merge, spare":   {Inputs: 1, Shape: explore.Merged, Spares: 1, Begun: true},
		"log, takeovers": {Inputs: 1, Shape: explore.Logged, Faults: 2, Only: explore.Takeovers, Begun: true},
		"log, spare":     {Inputs: 1, Shape: explore.Logged, Faults: 1, Only: explore.Losses, Spares: 1, Begun: true},
		"spare, losses":  {Inputs: 1, Faults: 2, Only: explore.Losses, Spares: 1},
		"spare, told":    {Inputs: 1, Faults: 2, Only: explore.Losses, Spares: 1, Tells: true},
		"spare, wanted":  {Inputs: 3, Spares: 1, Alarms: true, Begun: true}, // three: the second makes no item
		"two spares":     {Inputs: 1, Faults: 1, Spares: 2},
		"planned":        {Inputs: 1, Faults: 1, Spares: 1, Plans: true},
		"planned, apart": {Inputs: 1, Spares: 1, Plans: true, Apart: true, Alarms: true},
	}
}

func tortureBounds() map[string]explore.Bounds {
	return map[string]explore.Bounds{
		"log, two faults":   {Inputs: 1, Shape: explore.Logged, Faults: 2, Begun: true},
		"log, spare":        {Inputs: 1, Shape: explore.Logged, Faults: 1, Spares: 1, Begun: true},
		"merge, two faults": {Inputs: 1, Shape: explore.Merged, Faults: 2, Begun: true},
		"merge, spare":      {Inputs: 1, Shape: explore.Merged, Faults: 1, Only: explore.Losses, Spares: 1, Begun: true},
	}
}

// needsTime skips what is one goroutine's: the race detector, for which -short is set, has nothing to find there.
func needsTime(t *testing.T) {
	if testing.Short() {
		t.Skip("explores for a while: not with -short")
	}
}

// The protocol holds in every state within the bounds.
func TestProtocolHolds(t *testing.T) {
	needsTime(t)
	for name, b := range bounds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b.States = 20_000_000
			r := explore.Run(b, explore.None)
			t.Logf("%+v: %v", b, r)
			require.Empty(t, r.Violation, r)
			require.True(t, r.Exhausted, r)
		})
	}
}

// Without any one rule it does not: each is taken away within bounds that are just wide enough to show what it is for.
func TestEveryRuleIsNeeded(t *testing.T) {
	needsTime(t)
	for m, b := range explore.Mutants {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			if b.Slow && !ci() {
				t.Skip("takes ten seconds: with GRAFNODE_CI")
			}
			b.States = 2_000_000
			r := explore.Run(b.Bounds, m)
			t.Log(r)
			require.NotEmpty(t, r.Violation, "the explorer does not miss the rule")
		})
	}
}

// What follows from other rules is shown to.
func TestHarmless(t *testing.T) {
	needsTime(t)
	for m, why := range explore.Harmless {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			spare := explore.Bounds{Inputs: 1, Spares: 1, States: 2_000_000}
			if ci() {
				spare.Faults = 1
			}
			for _, b := range []explore.Bounds{{Inputs: 2, Faults: 1, States: 2_000_000}, spare} {
				r := explore.Run(b, m)
				t.Logf("%s: %v, because %s", m, r, why)
				require.Empty(t, r.Violation)
				require.True(t, r.Exhausted)
			}
		})
	}
}
