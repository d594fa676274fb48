package edge

import (
	"errors"
	"maps"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
)

// counters count what one side of an edge did since it was opened. Their owner's lock guards them.
type counters struct {
	items, bytes, repeats, rebinds, moves, fenced uint64
	causes                                        map[string]uint64
	rings                                         uint64
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

func (c *counters) failed(err error) {
	if errors.Is(err, fence.ErrFenced) {
		c.fenced++
	}
}

// report returns the counters.
func (c *counters) report(edge string, role fabric.Role, gen fence.Epoch) api.EdgeReport {
	return api.EdgeReport{
		Edge: edge, Role: role, Generation: gen, Items: c.items, Bytes: c.bytes, Repeats: c.repeats, Rebinds: c.rebinds,
		Moves: c.moves, Fenced: c.fenced, Causes: maps.Clone(c.causes),
	}
}
