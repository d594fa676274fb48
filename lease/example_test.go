package lease_test

import (
	"context"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/lease"
)

// A builder says what is needed; the cluster, here a recorder in its place, says what is granted.
func ExampleMemory() {
	var cluster recorder // a *client.Client in a stage program
	grant, err := lease.Memory().MinBytes(64<<20).TTL(30*time.Second).Zone("a").Acquire(context.Background(), &cluster)
	fmt.Println(grant.Kind, grant.Bytes, grant.TTL, err)
	// Output: mem 67108864 30s <nil>
}

// A named region is found again by the stage that takes over.
func ExampleBlock() {
	var cluster recorder
	grant, err := lease.Block().MinBlocks(16).Name("sums.state").Acquire(context.Background(), &cluster)
	fmt.Println(grant.Kind, grant.Bytes, err)
	// Output: block 65536 <nil>
}
