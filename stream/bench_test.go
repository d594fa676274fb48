package stream_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// BenchmarkPipeline is a source, two operators and a sink in one process, on rings in Go memory.
func BenchmarkPipeline(b *testing.B) {
	cluster := edgetest.New()
	defer cluster.Close()
	registry := &durabletest.Registry{}
	p := stream.New(cluster.Client("bench"), "p", stream.CheckpointIn(func(key string) durable.Store {
		return durable.NewRegister(registry, key)
	}))
	items := make(source.Slice[string], b.N)
	for i := range items {
		items[i] = "an item of about sixty-four bytes, as long as a line of a log is"
	}
	kept := stream.Filter(stream.From(p, "ingest", items), "keep", func(s string) bool { return len(s) > 0 })
	mapped := stream.Map(kept, "map", func(_ context.Context, s string) (string, error) { return s, nil })
	stream.To(mapped, "store", &streamtest.Sink[string]{})
	b.ReportAllocs()
	b.ResetTimer()
	require.NoError(b, p.Run(b.Context()))
}
