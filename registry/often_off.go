//go:build !faults

package registry

import "github.com/hashicorp/raft"

// often changes nothing: only builds for tests make snapshots more often than their configuration says.
func often(*raft.Config) {}
