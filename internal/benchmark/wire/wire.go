package wire

import (
	"context"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

const checks = "CRC32C of each frame, where it arrives; each record's mark and length; the cursors"

// Plan returns what this package measures.
func Plan() suite.Plan {
	return suite.Plan{
		Cases: []suite.Case{
			{Name: "wire/64B/batched", Bytes: 64, Batch: 64, Capacity: 1 << 20, Mode: fabric.Balanced, Checks: checks},
			{Name: "wire/1KiB", Bytes: 1 << 10, Batch: 64, Capacity: 1 << 20, Mode: fabric.Balanced, Checks: checks},
			{Name: "wire/16KiB", Bytes: 16 << 10, Batch: 1, Capacity: 1 << 20, Mode: fabric.Balanced, Checks: checks},
		},
		Peers:   []string{peerTCP, peerNATS},
		Default: []string{peerTCP},
		Ours:    func(b *suite.Bench) suite.Side { return &ours{b} },
		Open:    open,
	}
}

// Measure measures.
func Measure(ctx context.Context, c suite.Config) ([]figures.Line, error) {
	return suite.Run(ctx, c, Plan())
}

// placement says where the three processes of a measurement run. There may be no more than two processors for them.
const placement = "three processes on any core, over loopback"
