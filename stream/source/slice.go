package source

import (
	"context"
	"iter"

	"github.com/grafnode/grafnode/position"
	"github.com/grafnode/grafnode/stream"
)

// Slice is a stream.Source of values in memory. It must not change while it is read.
type Slice[T any] []T

// Read implements stream.Source.
func (s Slice[T]) Read(ctx context.Context, from position.Vector) iter.Seq2[stream.Item[T], error] {
	return func(yield func(stream.Item[T], error) bool) {
		done, _ := from.At(0)
		for i := min(done.Offset, uint64(len(s))); i < uint64(len(s)); i++ {
			if ctx.Err() != nil || !yield(stream.Item[T]{Pos: position.Position{Offset: i + 1}, Value: s[i]}, nil) {
				return
			}
		}
	}
}
