package durable_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/durable/durabletest"
	"github.com/grafnode/grafnode/fence"
)

// Whoever takes a stage over fences its checkpoint first and reads second. From then on the one before can write nothing.
func ExampleStore() {
	ctx := context.Background()
	registry := &durabletest.Registry{} // a *client.Client in a stage program

	old := durable.NewRegister(registry, "words.ingest")
	_, found, err := old.Fence(ctx, 1)
	fmt.Println(found, err)
	fmt.Println(old.Put(ctx, 1, []byte("line 10")))

	next := durable.NewRegister(registry, "words.ingest")
	value, found, err := next.Fence(ctx, 2)
	fmt.Printf("%s %v %v\n", value, found, err)
	fmt.Println(errors.Is(old.Put(ctx, 1, []byte("line 11")), fence.ErrFenced))
	// Output:
	// false <nil>
	// <nil>
	// line 10 true <nil>
	// true
}
