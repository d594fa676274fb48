package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// example begins a pipeline on a cluster in memory. A real one gets a *client.Client, which keeps the checkpoints too.
func example() *stream.Pipeline {
	registry := &durabletest.Registry{}
	return stream.New(edgetest.New().Client("example"), "example", stream.CheckpointIn(func(key string) durable.Store {
		return durable.NewRegister(registry, key)
	}))
}

// Every item goes both ways.
func ExampleBroadcast() {
	var archive, alarms streamtest.Sink[string]
	p := example()
	both := stream.Broadcast(stream.From(p, "ingest", source.Slice[string]{"all well", "fire", "all well"}), "both", 2)
	stream.To(both[0], "archive", &archive)
	stream.To(stream.Filter(both[1], "grave", func(s string) bool { return s == "fire" }), "alarm", &alarms)

	fmt.Println(p.Run(context.Background()))
	fmt.Println(archive.Values())
	fmt.Println(alarms.Values())
	// Output:
	// <nil>
	// [all well fire all well]
	// [fire]
}

// All items of a customer take the same way, so that one process sees them, in their order.
func ExamplePartition() {
	customer := func(order string) string { name, _, _ := strings.Cut(order, ":"); return name }
	var stores [2]streamtest.Sink[string]
	p := example()
	orders := stream.From(p, "ingest", source.Slice[string]{"ann:tea", "bob:jam", "ann:milk", "bob:bread", "eve:tea"})
	for k, branch := range stream.Partition(orders, "by-customer", len(stores), customer) {
		stream.To(branch, fmt.Sprint("store", k), &stores[k])
	}

	fmt.Println(p.Run(context.Background()))
	fmt.Println(stores[0].Values())
	fmt.Println(stores[1].Values())
	// Output:
	// <nil>
	// [ann:tea ann:milk]
	// [bob:jam bob:bread eve:tea]
}

// Work that is spread over branches comes together again. Each branch has lanes of its own in the merged flow, in any order.
func ExampleMerge() {
	var sink streamtest.Sink[string]
	p := example()
	words := stream.From(p, "ingest", source.Slice[string]{"one", "two", "three", "four"})
	branches := stream.Partition(words, "split", 2, func(s string) string { return s })
	for k, branch := range branches {
		branches[k] = stream.Map(branch, fmt.Sprint("shout", k), func(_ context.Context, s string) (string, error) {
			return strings.ToUpper(s), nil
		})
	}
	stream.To(stream.Merge("all", branches...), "store", &sink)

	fmt.Println(p.Run(context.Background()))
	got := sink.Values()
	slices.Sort(got)
	fmt.Println(got)
	// Output:
	// <nil>
	// [FOUR ONE THREE TWO]
}

// Lists of two, and one of what is left at the end.
func ExampleBatch() {
	var sink streamtest.Sink[[]string]
	p := example()
	words := stream.From(p, "ingest", source.Slice[string]{"a", "b", "c", "d", "e"})
	stream.To(stream.Batch(words, "pairs", 2), "store", &sink)

	fmt.Println(p.Run(context.Background()))
	fmt.Println(sink.Values())
	// Output:
	// <nil>
	// [[a b] [c d] [e]]
}

// The mean of every three measurements. The state is kept in checkpoints, as JSON here, so its fields are exported.
func ExampleWindow() {
	type sum struct{ N, Total int }
	add := func(s sum, v int) sum { return sum{s.N + 1, s.Total + v} }
	mean := func(s sum) int { return s.Total / s.N }

	var sink streamtest.Sink[int]
	p := example()
	measured := stream.From(p, "ingest", source.Slice[int]{1, 2, 3, 10, 20, 30, 7})
	stream.To(stream.Window(measured, "mean", 3, add, mean), "store", &sink)

	fmt.Println(p.Run(context.Background()))
	fmt.Println(sink.Values())
	// Output:
	// <nil>
	// [2 20 7]
}

// A stage that asks somebody: the answer that was given first is the one that counts, whatever fails.
func ExampleLogOutputs() {
	price := func(_ context.Context, fruit string) (string, error) {
		return fmt.Sprintf("%s at %d", fruit, len(fruit)), nil // it would ask a server
	}
	answers := durable.NewRegister(&durabletest.Registry{}, "example.price")

	var sink streamtest.Sink[string]
	p := example()
	fruit := stream.From(p, "ingest", source.Slice[string]{"apple", "fig"})
	stream.To(stream.Map(fruit, "price", price, stream.LogOutputs(answers)), "store", &sink)

	fmt.Println(p.Run(context.Background()))
	fmt.Println(sink.Values())
	// Output:
	// <nil>
	// [apple at 5 fig at 3]
}
