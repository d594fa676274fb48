package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/lease"
)

// A stage finds its node by $GRAFNODE_SOCKET. What it holds lives as long as the client: until Close, or until the process
// ends.
func ExampleDial() {
	ctx := context.Background()
	cl, err := client.Dial(ctx, client.Config{Stage: "sums"})
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()

	at, err := cl.Locator(ctx, "access-log.enrich") // the last known one while no node answers
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(at.Node, at.Generation)

	state, err := lease.Block().MinBlocks(16).Name("sums.state").Acquire(ctx, cl)
	fmt.Println(state.Bytes, err)
}

// Watch tells the state first, then every change; it goes on over restarts of nodes until its context ends.
func ExampleClient_Watch() {
	cl, err := client.Dial(context.Background(), client.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer cl.Close()
	for event, err := range cl.Watch(context.Background(), api.WatchRequest{Prefix: "access-log."}) {
		if err != nil {
			log.Print(err)
			return
		}
		if event.Edge != nil {
			fmt.Println(event.Type, event.Edge.Name, event.Edge.Generation)
		}
	}
}
