package client_test

import (
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/durable"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/lease"
)

// What the callers of this package expect of it.
var (
	_ edge.Cluster        = (*client.Client)(nil)
	_ lease.Acquirer      = (*client.Client)(nil)
	_ durable.Checkpoints = (*client.Client)(nil)
	_ durable.Region      = (*client.Blocks)(nil)
)
