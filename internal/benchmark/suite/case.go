package suite

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
)

// Case is one thing to measure, on both sides.
type Case struct {
	Name     string
	Bytes    int // of a record
	Batch    int // records that are published at once
	Capacity int // of our rings, bytes
	Mode     fabric.Mode
	Latency  bool   // round trips are measured, not records a second
	Typed    bool   // items go one by one through package edge
	Checked  bool   // items' payloads have a CRC32C
	Checks   string // what ours verifies, for people
	Idle     bool   // nothing moves; there is no peer
}

// Unit returns what its figures are in.
func (c Case) Unit() string {
	switch {
	case c.Idle:
		return "% of a core"
	case c.Latency:
		return "ns"
	}
	return "items/s"
}

// Figure returns the one that a result stands for.
func (c Case) Figure(r flow.Result) figures.Figure {
	switch {
	case c.Idle:
		return figures.Figure{Value: 100 * r.CPU / r.Seconds}
	case c.Latency:
		return figures.Figure{Value: r.P50, P99: r.P99}
	}
	return figures.Figure{Value: float64(r.Items) / r.Seconds}
}

func (c Case) payload() string {
	if c.Idle {
		return "none"
	}
	return fmt.Sprintf("%d B, %d a batch, ring of %d KiB", c.Bytes, c.Batch, c.Capacity>>10)
}

// Side is ours, or a peer.
type Side interface {
	Name() string
	// Prepare gets ready for a case, and says how; ErrNothing if there is no such thing on this side.
	Prepare(context.Context, Case) (setting string, err error)
	// Measure measures the case once.
	Measure(context.Context, Case) (figures.Figure, error)
}

// ErrNothing says that a peer has nothing to compare with a case.
var ErrNothing = errors.New("nothing to compare with")

// ErrAbsent says that a peer is not on this machine and cannot be built here. It is left out, and the log says so.
var ErrAbsent = errors.New("is not on this machine")
