package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/grafnode/grafnode/demo/internal/plan"
)

func TestParseList(t *testing.T) {
	got, err := plan.ParseList("store, ring-node,store")
	require.NoError(t, err)
	require.Equal(t, []plan.What{plan.Store, plan.RingNode, plan.Store}, got)
	got, err = plan.ParseList(plan.Join(plan.Default))
	require.NoError(t, err)
	require.Equal(t, plan.Default, got)
	got, err = plan.ParseList("none")
	require.NoError(t, err)
	require.Empty(t, got)
	for _, bad := range []string{"", "database", "store,", "none,store"} {
		_, err = plan.ParseList(bad)
		require.ErrorContains(t, err, "cannot be killed", bad)
	}
}

func TestMake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		list := rapid.SliceOfN(rapid.SampledFrom(plan.Default), 0, 20).Draw(t, "list")
		kills := plan.Make(list, seed)
		require.Len(t, kills, len(list))
		require.Equal(t, kills, plan.Make(list, seed))
		last := 0.0
		for i, k := range kills {
			require.Equal(t, list[i], k.What)
			require.Greater(t, k.Progress, last)
			require.Less(t, k.Progress, 1.0)
			require.GreaterOrEqual(t, k.Pause, 500*time.Millisecond)
			require.Less(t, k.Pause, 1500*time.Millisecond)
			last = k.Progress
		}
	})
}

func TestMakeDependsOnTheSeed(t *testing.T) {
	require.NotEqual(t, plan.Make(plan.Default, 1), plan.Make(plan.Default, 2))
}
