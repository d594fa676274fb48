package stream

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/position"
)

// Upsert makes a sink of a store that has no transactions but can write an item twice with the same outcome as once, for
// example under a key made of its position. put has the effects of a batch, durably, before it returns; then the positions are
// written to positions, which is fenced.
//
// Effects may happen again after a failure, and a process that has been replaced may repeat effects that its
// successor has had already: at least once, harmless for an upsert of deterministic items and for nothing else.
func Upsert[T any](positions durable.Store, put func(context.Context, []Item[T]) error) Sink[T] {
	return &upsert[T]{positions, put}
}

type upsert[T any] struct {
	positions durable.Store
	put       func(context.Context, []Item[T]) error
}

// Claim implements Sink.
func (u *upsert[T]) Claim(ctx context.Context, epoch fence.Epoch) (position.Vector, error) {
	b, found, err := u.positions.Fence(ctx, epoch)
	if err != nil || !found {
		return position.Vector{}, err
	}
	return decodeVector(b)
}

// Commit implements Sink.
func (u *upsert[T]) Commit(ctx context.Context, b Effects[T]) error {
	if len(b.Items) > 0 {
		if err := u.put(ctx, b.Items); err != nil {
			return fmt.Errorf("upsert: %w", err)
		}
	}
	return u.positions.Put(ctx, b.Epoch, encodeVector(b.Upto))
}
