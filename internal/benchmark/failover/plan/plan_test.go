package plan_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
)

func TestParse(t *testing.T) {
	all, err := plan.Parse(nil)
	require.NoError(t, err)
	require.Len(t, all, len(plan.Names()))

	both, err := plan.Parse([]string{"planned", "ring-node-killed"})
	require.NoError(t, err)
	require.Equal(t, []plan.Kind{plan.RingNode, plan.RingAlone, plan.Planned}, []plan.Kind{both[0].Kind, both[1].Kind, both[2].Kind})

	for _, name := range []string{"", "ring", "ring-node-killed/spar", "planned/full"} {
		_, err = plan.Parse([]string{name})
		require.ErrorContains(t, err, "there are ring-node-killed/spare, ", name)
	}
}

func TestPlansFollowFromTheSeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed, runs, full := rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 40).Draw(t, "runs"), rapid.IntRange(0, 20).Draw(t, "full")
		peers := rapid.IntRange(0, 30).Draw(t, "peers")
		rounds := plan.Make(plan.Traits, runs, full, 1000, peers, seed)
		require.Equal(t, rounds, plan.Make(plan.Traits, runs, full, 1000, peers, seed))
		faults, theirs, names := map[plan.Kind]int{}, 0, map[string]bool{}
		for _, r := range rounds {
			faults[r.Kind] += len(r.Pauses)
			theirs += r.Peers
			names[r.Case()] = true
			require.GreaterOrEqual(t, slices.Min(r.Pauses), time.Second)
		}
		require.Equal(t, peers, theirs)
		require.Len(t, names, len(rounds))
		for _, trait := range plan.Traits {
			require.Equal(t, runs+full, faults[trait.Kind])
		}
	})
}

func TestSpread(t *testing.T) {
	require.Zero(t, plan.SpreadOf(nil))
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, 1e9), 1, 250).Draw(t, "times")
		all := make([]time.Duration, len(times))
		for i, v := range times {
			all[i] = time.Duration(v)
		}
		s := plan.SpreadOf(all)
		for _, q := range []time.Duration{s.P50, s.P99, s.Worst} {
			require.Contains(t, all, q)
		}
		require.LessOrEqual(t, s.P50, s.P99)
		require.LessOrEqual(t, s.P99, s.Worst)
		if len(all) <= 100 {
			require.Equal(t, s.Worst, s.P99)
		}
	})
}

const ms = time.Millisecond

func TestSumLeavesOutWhatWasMissed(t *testing.T) {
	s := plan.Sum([]plan.Sample{
		{First: 5 * ms, Stored: 6 * ms, Gap: 7 * ms, Place: "here", Phases: []plan.Phase{{Name: "b", At: 2 * ms}, {Name: "a", At: 2 * ms}}},
		{Missed: true, First: time.Hour},
		{First: 15 * ms, Stored: 16 * ms, Gap: 1 * ms, Place: "there", Phases: []plan.Phase{{Name: "a", At: 4 * ms}}},
	})
	require.Equal(t, 3, s.Runs)
	require.Equal(t, 1, s.Missed)
	require.Equal(t, plan.Spread{P50: 15 * ms, P99: 15 * ms, Worst: 15 * ms}, s.First)
	require.Equal(t, plan.Spread{P50: 7 * ms, P99: 7 * ms, Worst: 7 * ms}, s.Gap)
	require.Equal(t, map[string]int{"here": 1, "there": 1}, s.Places)
	require.Equal(t, []plan.Phase{{Name: "b", At: 2 * ms}, {Name: "a", At: 4 * ms, After: 4 * ms}}, s.Phases)
}

func TestTargets(t *testing.T) {
	spare, ok := plan.Of(plan.RingNode)
	require.True(t, ok)
	p50, p99 := spare.Met(plan.Summary{Runs: 1, First: plan.Spread{P50: 10 * ms, P99: 51 * ms}})
	require.True(t, p50)
	require.False(t, p99)
	p50, _ = spare.Met(plan.Summary{Runs: 2, Missed: 1})
	require.False(t, p50, "one was missed")

	moved, _ := plan.Of(plan.Planned)
	p50, p99 = moved.Met(plan.Summary{Runs: 1, First: plan.Spread{P50: time.Second}, Gap: plan.Spread{P50: 2 * ms, P99: 20 * ms}})
	require.True(t, p50 && p99, "of a planned move the pause counts")

	_, ok = plan.Of("flood")
	require.False(t, ok)
}
