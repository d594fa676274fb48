package streamtest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/stream"
	"github.com/grafnode/grafnode/stream/source"
	"github.com/grafnode/grafnode/stream/streamtest"
)

// A pipeline, whatever happens to it, 20 times. In one's own package it is func TestSquares(t *testing.T), and go test calls it.
func ExampleRun() {
	testSquares := func(t *testing.T) {
		streamtest.Run(t, 20, func(w *streamtest.World) {
			var store streamtest.Sink[int] // or one's own: it outlives the processes
			w.Play(func(cl edge.Cluster) *stream.Pipeline {
				p := stream.New(cl, "squares")
				numbers := stream.From(p, "ingest", source.Slice[int]{1, 2, 3})
				squares := stream.Map(numbers, "square", func(_ context.Context, n int) (int, error) { return n * n, nil })
				stream.To(squares, "store", streamtest.Probe(w, "store", &store))
				return p
			})
			streamtest.Same(w, []int{1, 4, 9}, store.Values())
		})
	}
	fmt.Println(passes(testSquares))
	// Output: true
}
