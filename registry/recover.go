package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

// RecoverConfig is what Recover needs to know.
type RecoverConfig struct {
	NodeID  locator.NodeID
	Address string // IP:port at which peers will reach this node
	DataDir string // as in Config
	// Bind is told the cluster's new ID before the recovery counts as done; when it fails, running Recover again goes on here.
	Bind   func(cluster string) error
	Logger *slog.Logger
}

// RecoverReport says what a recovery has kept.
type RecoverReport struct {
	Was      string       // the cluster's ID before
	Cluster  string       // and from now on
	Index    uint64       // last log entry that this node had; what the lost majority had committed beyond it is gone
	Term     uint64       // of that entry
	Revision api.Revision // the new state's
	Level    uint64
	Edges    int
	Leases   int
	Sessions int
	Nodes    int
	Resumed  bool     // an earlier attempt had been cut short
	Left     []Member // who was in the group before, this node left out: wipe them, and let them join as new nodes
}

// Recover is not there yet.
func Recover(RecoverConfig) (RecoverReport, error) {
	return RecoverReport{}, errors.ErrUnsupported
}

// RestoreSnapshot is not there yet.
func (r *Registry) RestoreSnapshot(_ context.Context, _ io.Reader, _ bool) error {
	return fmt.Errorf("restore: %w", errors.ErrUnsupported)
}
