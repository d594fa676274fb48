package node

import (
	"io"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry"
)

// InspectSnapshot reads a snapshot of the registry to its end and says what is in it; api.ErrCorrupt if it is not whole. It
// needs no node.
func InspectSnapshot(r io.Reader) (api.SnapshotInfo, error) { return registry.InspectSnapshot(r) }
