package edge_test

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
	"github.com/grafnode/grafnode/fabric/layout"
	"github.com/grafnode/grafnode/handoff"
	"github.com/grafnode/grafnode/position"
)

// The ring is lost in the middle. Neither side hears of it: the edge takes a new one and goes on from the last item.
func Example() {
	ctx := context.Background()
	cluster := edgetest.New() // client.Dial in a stage program
	defer cluster.Close()

	out, err := edge.Produce[string](ctx, cluster.Client("greet"), "greetings")
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := edge.Consume[string](ctx, cluster.Client("print"), "greetings")
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, word := range []string{"hello", "there", "world"} {
		if i == 1 {
			cluster.LoseRing("greetings")
		}
		if err := out.Push(ctx, position.Position{Offset: uint64(i + 1)}, word); err != nil {
			fmt.Println(err)
		}
	}
	_ = out.End(ctx, 0)
	for m, err := range in.All(ctx) {
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(m.Pos.Offset, m.Value)
		_ = in.Ack(m.Pos) // its effect is durable
	}
	fmt.Println(out.Close(ctx), in.Close(ctx))
	// Output:
	// 1 hello
	// 2 there
	// 3 world
	// <nil> <nil>
}

// An item with a fixed layout is read where it lies, and nothing is allocated.
func ExampleConsumer_View() {
	type tick struct{ Price, Size float64 }
	ticks, err := edge.Fixed[tick]()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	cluster := edgetest.New()
	defer cluster.Close()
	out, err := edge.Produce[tick](ctx, cluster.Client("feed"), "ticks", edge.UseCodec(ticks))
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := edge.Consume[tick](ctx, cluster.Client("book"), "ticks", edge.UseCodec(ticks))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = out.Push(ctx, position.Position{Offset: 1}, tick{Price: 12.5, Size: 100})
	err = in.View(ctx, func(pos position.Position, _ handoff.Kind, b []byte) error {
		if t := layout.View[tick](b); t != nil {
			fmt.Println(pos, t.Price)
		}
		return in.Ack(pos)
	})
	fmt.Println(err, out.Close(ctx), in.Close(ctx))
	// Output:
	// 0:1 12.5
	// <nil> <nil> <nil>
}

// PopInto uses the memory of the item before.
func ExampleConsumer_PopInto() {
	ctx := context.Background()
	cluster := edgetest.New()
	defer cluster.Close()
	out, err := edge.Produce[[]byte](ctx, cluster.Client("up"), "lines", edge.Unchecked())
	if err != nil {
		fmt.Println(err)
		return
	}
	in, err := edge.Consume[[]byte](ctx, cluster.Client("down"), "lines", edge.Thrifty())
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := out.PushBatch(ctx, []edge.Msg[[]byte]{
		{Pos: position.Position{Offset: 1}, Value: []byte("one")},
		{Pos: position.Position{Offset: 2}, Value: []byte("two")},
	})
	fmt.Println(n, err)
	var m edge.Msg[[]byte]
	for range n {
		if err := in.PopInto(ctx, &m); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Pos, string(m.Value))
	}
	_ = in.Ack(m.Pos)
	fmt.Println(out.Close(ctx), in.Close(ctx))
	// Output:
	// 2 <nil>
	// 0:1 one
	// 0:2 two
	// <nil> <nil>
}
