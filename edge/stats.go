package edge

import (
	"errors"
	"maps"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// rewiresMax bounds how many rewire times wait for the next report.
const rewiresMax = 64

// counters count what one side of an edge did since it was opened. Their owner's lock guards them.
type counters struct {
	items, bytes, repeats, rebinds, moves, fenced uint64
	causes                                        map[string]uint64
	rings                                         uint64
	leftAt                                        time.Time // when the last ring was left, until the next one works
	rewires                                       []float64 // seconds from leaving a ring to the next one's use, since the last report
}

func (c *counters) item(bytes int) {
	c.items++
	c.bytes += uint64(bytes)
}

// bound counts a ring; every one after the first is a rebind.
func (c *counters) bound(why api.Reason) {
	if c.rings++; c.rings == 1 {
		return
	}
	c.rebinds++
	if why == api.ReasonMoved {
		c.moves++
	}
	if c.causes == nil {
		c.causes = map[string]uint64{}
	}
	c.causes[string(why)]++
}

// left notes that the bound ring is lost.
func (c *counters) left() {
	if c.leftAt.IsZero() {
		c.leftAt = time.Now()
	}
}

// rewired notes that the next ring is in use.
func (c *counters) rewired() {
	if !c.leftAt.IsZero() && len(c.rewires) < rewiresMax {
		c.rewires = append(c.rewires, time.Since(c.leftAt).Seconds())
	}
	c.leftAt = time.Time{}
}

func (c *counters) failed(err error) {
	if errors.Is(err, fence.ErrFenced) {
		c.fenced++
	}
}

// report returns the counters and forgets the rewire times.
func (c *counters) report(edge string, role fabric.Role, gen fence.Epoch) api.EdgeReport {
	r := api.EdgeReport{
		Edge: edge, Role: role, Generation: gen, Items: c.items, Bytes: c.bytes, Repeats: c.repeats, Rebinds: c.rebinds,
		Moves:  c.moves,
		Fenced: c.fenced, Rewires: c.rewires, Causes: maps.Clone(c.causes),
	}
	c.rewires = nil
	return r
}
