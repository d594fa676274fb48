package ends

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/position"
)

// Item64 is an item of 64 bytes, of a type as programs have it.
type Item64 [64]byte

// AppendBinary implements encoding.BinaryAppender.
func (i Item64) AppendBinary(b []byte) ([]byte, error) { return append(b, i[:]...), nil }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (i *Item64) UnmarshalBinary(b []byte) error {
	if len(b) != len(i) {
		return fmt.Errorf("%d bytes, want %d", len(b), len(i))
	}
	copy(i[:], b)
	return nil
}

// Copied is the option by which items are copied as they lie in memory, not encoded by their own methods.
func Copied() edge.Option {
	codec, err := edge.Fixed[Item64]()
	if err != nil {
		panic(err) // bytes have a fixed layout
	}
	return edge.UseCodec(codec)
}

// Push pushes items one by one until the time is up, then the last item, and waits until all are acknowledged.
func Push(ctx context.Context, p *edge.Producer[Item64], l flow.Load) error {
	source := flow.NewSource(l)
	var item Item64
	push := func(n uint64) error { return p.Push(ctx, position.Position{Offset: n}, item) }
	for !source.Over() {
		source.Fill(item[:])
		if err := push(source.Next()); err != nil {
			return err
		}
	}
	source.FillEnd(item[:])
	if err := push(source.Next() + 1); err != nil {
		return err
	}
	return p.Close(ctx)
}

// ackEvery is how many items a sink takes before it says that it has them.
const ackEvery = 64

// Pop pops items one by one up to the last and acknowledges them now and then, as a sink does that writes in batches.
func Pop(ctx context.Context, c *edge.Consumer[Item64], l flow.Load) (flow.Result, error) {
	sink := flow.NewSink(l)
	for {
		m, err := c.Pop(ctx)
		if err != nil {
			return flow.Result{}, err
		}
		done, err := sink.See(m.Value[:])
		if err != nil {
			return flow.Result{}, err
		}
		if done || sink.Next()%ackEvery == 0 {
			if err := c.Ack(m.Pos); err != nil {
				return flow.Result{}, err
			}
		}
		if done {
			result, err := sink.Result()
			return result, errors.Join(err, c.Close(ctx))
		}
	}
}
