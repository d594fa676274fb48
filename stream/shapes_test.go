package stream_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// These branches are what records in the field were routed by: they must never change.
func TestBranchOfIsForEver(t *testing.T) {
	for key, want := range map[string][3]int{
		"": {2, 14, 59}, "a": {1, 8, 32}, "b": {1, 6, 27}, "customer-4711": {1, 7, 28}, "\xff\x00": {1, 6, 25},
	} {
		require.Equal(t, want, [3]int{stream.BranchOf(key, 3), stream.BranchOf(key, 16), stream.BranchOf([]byte(key), 64)}, "%q", key)
	}
}

func TestBranchOfSpreads(t *testing.T) {
	for _, n := range []int{1, 2, 3, 16, 64} {
		count := make([]int, n)
		for i := range uint64(64_000) {
			count[stream.BranchOf(binary.BigEndian.AppendUint64(nil, i), n)]++
		}
		for k, c := range count {
			require.InDelta(t, 64_000/n, c, 200+float64(64_000/n)/10, "branch %d of %d", k, n)
		}
	}
}

// A branch that does not get on holds back what is acknowledged, and then everything; what is kept meanwhile is bounded.
func TestASlowBranchHoldsAllBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		open := make(chan struct{})
		slow := streamtest.Sink[string]{Break: func(stream.Effects[string]) streamtest.Fault {
			<-open
			return streamtest.None
		}}
		var quick streamtest.Sink[string]
		items := make(source.Slice[string], 1000)
		for i := range items {
			items[i] = fmt.Sprintf("%04d", i) + strings.Repeat(".", 1000)
		}
		p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin))
		both := stream.Broadcast(stream.From(p, "ingest", items), "both", 2)
		stream.To(both[0], "quick", &quick)
		stream.To(both[1], "slow", &slow)
		ended := make(chan error)
		go func() { ended <- p.Run(t.Context()) }()

		time.Sleep(time.Minute)
		require.NotEmpty(t, quick.Values())
		require.Less(t, len(quick.Values()), 2*fabric.CapacityMin/1000, "what fits the slow branch, and the ring before it")
		require.Zero(t, w.cursor().Len(), "nothing is acknowledged")

		close(open)
		require.NoError(t, <-ended)
		require.Equal(t, []string(items), quick.Values())
		require.Equal(t, []string(items), slow.Values())
		require.True(t, w.cursor().Covers(position.EndOfLane(0)))
	})
}

// An empty branch has nothing to wait for, and ends.
func TestABranchThatGetsNothing(t *testing.T) {
	w := newWorld(t)
	sinks := make([]streamtest.Sink[int], 8)
	p := stream.New(w.client(), "p", w.cursors(), stream.Capacity(fabric.CapacityMin))
	flows := stream.Partition(stream.From(p, "ingest", numbers(20_000)), "split", len(sinks), func(int) string { return "same" })
	for k, flow := range flows {
		stream.To(flow, fmt.Sprint("store", k), &sinks[k])
	}
	require.NoError(t, p.Run(t.Context()))
	for k := range sinks {
		if k == stream.BranchOf("same", len(sinks)) {
			require.Equal(t, []int(numbers(20_000)), sinks[k].Values())
		} else {
			require.Empty(t, sinks[k].Items())
		}
		require.True(t, sinks[k].Done().Covers(position.EndOfLane(0)))
	}
}

// Flows from two sources keep lanes of their own.
func TestMergeKeepsLanesApart(t *testing.T) {
	w := newWorld(t)
	var sink streamtest.Sink[string]
	p := stream.New(w.client(), "p", w.cursors())
	words := stream.From(p, "words", source.Slice[string]{"a", "b"})
	more := stream.From(p, "more", lanes{}, stream.Lanes(3))
	stream.To(stream.Merge("all", words, more), "store", &sink)
	require.NoError(t, p.Run(t.Context()))
	got := map[position.Lane][]string{}
	for _, item := range sink.Items() {
		got[item.Pos.Lane] = append(got[item.Pos.Lane], item.Value)
	}
	require.Len(t, got, 4)
	require.Equal(t, []string{"a", "b"}, got[0])
	for lane := position.Lane(1); lane < 4; lane++ {
		require.Len(t, got[lane], 100)
		require.Equal(t, fmt.Sprintf("%d:100", lane-1), got[lane][99])
	}
}
