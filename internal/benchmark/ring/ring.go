package ring

import (
	"context"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

const (
	structure = "each record's mark and length; the cursors"
	entry     = "the same; each item's generation, sequence and position, with CRC32C"
	payload   = entry + " of its payload too"
)

// idleEdges is how many edges rest in the case of that name.
const idleEdges = 1000

// Plan returns what this package measures.
func Plan() suite.Plan {
	return suite.Plan{
		Cases: []suite.Case{
			{Name: "oneway/64B/batched", Bytes: 64, Batch: 64, Capacity: 1 << 20, Mode: fabric.LowLatency, Checks: structure},
			{Name: "oneway/64B/typed", Bytes: 64, Batch: 1, Capacity: 1 << 20, Mode: fabric.Balanced, Checks: entry, Typed: true},
			{Name: "oneway/64B/typed/checked", Bytes: 64, Batch: 1, Capacity: 1 << 20, Mode: fabric.Balanced, Checks: payload, Typed: true, Checked: true},
			{Name: "oneway/1KiB", Bytes: 1 << 10, Batch: 16, Capacity: 1 << 20, Mode: fabric.LowLatency, Checks: structure},
			{Name: "oneway/16KiB", Bytes: 16 << 10, Batch: 1, Capacity: 1 << 20, Mode: fabric.LowLatency, Checks: structure},
			{Name: "rtt/64B/spin", Bytes: 64, Batch: 1, Capacity: 1 << 16, Mode: fabric.LowLatency, Checks: structure, Latency: true},
			{Name: "rtt/64B/parked", Bytes: 64, Batch: 1, Capacity: 1 << 16, Mode: fabric.Thrifty, Checks: structure, Latency: true},
			{Name: "idle/1000", Bytes: 64, Batch: 1, Capacity: 1 << 16, Mode: fabric.Balanced, Checks: entry, Idle: true},
		},
		Peers:   []string{peerCRing, peerFutex, peerUnix, peerTCP, peerShmipc, peerAeron},
		Default: []string{peerCRing, peerFutex, peerUnix, peerTCP},
		Ours:    func(b *suite.Bench) suite.Side { return &ours{b} },
		Open:    open,
	}
}

// Measure measures.
func Measure(ctx context.Context, c suite.Config) ([]figures.Line, error) {
	return suite.Run(ctx, c, Plan())
}

// parked says that both sides sleep whenever there is nothing to do.
func parked(c suite.Case) bool { return c.Mode == fabric.Thrifty }
