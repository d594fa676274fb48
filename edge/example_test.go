package edge_test

import (
	"context"
	"fmt"

	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/edge/edgetest"
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
