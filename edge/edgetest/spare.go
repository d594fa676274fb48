package edgetest

import (
	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/locator"
)

// LoseSpare makes an edge's spare unreachable for both sides, as the death of its host does.
func (c *Cluster) LoseSpare(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.edges[name].Spare; s != nil {
		c.rings[s.Locator.Arena].lose()
	}
}

// EndSpare ends the lease of an edge's spare.
func (c *Cluster) EndSpare(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if rec := c.edges[name]; rec.Spare != nil {
		rec = c.endSpare(rec)
		rec.Reason = api.ReasonSpareLost
		c.put(rec)
	}
}

// changeSpare applies a request by protocol rules 13 and 15.
func (c *Cluster) changeSpare(r api.SpareRequest) (api.Edge, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rec := c.edges[r.Name]
	switch {
	case c.sessions[r.Session] == nil:
		return rec, api.Errorf(api.KindSession, "session %s has ended", r.Session)
	case rec.Producer.Session != r.Session && (!r.Planned || rec.Consumer.Session != r.Session):
		return rec, api.Errorf(api.KindFenced, "session %s does not produce edge %s", r.Session, r.Name)
	}
	rec.Reason = r.Reason
	if r.Confirm == 0 {
		return c.arm(rec, r)
	}
	s := rec.Spare
	if s == nil || s.Generation != r.Confirm || s.Producer != rec.Producer.Epoch || s.Generation <= rec.Generation {
		return rec, api.Errorf(api.KindConflict, "edge %s has no spare of generation %d", r.Name, r.Confirm)
	}
	c.seal(rec.Locator)
	rec.Generation, rec.Locator, rec.Spare = s.Generation, s.Locator, nil
	if node := c.place(r.Name, append(r.AvoidNodes, rec.Locator.Node)...); r.Arm && c.mayArm(rec) && node != "" {
		return c.armOn(rec, node)
	}
	return c.put(rec), nil
}

func (c *Cluster) mayArm(rec api.Edge) bool { return !rec.Producer.Free() && !rec.Consumer.Free() }

func (c *Cluster) arm(rec api.Edge, r api.SpareRequest) (api.Edge, error) {
	if rec.Revision != r.Expect || !c.mayArm(rec) {
		return rec, api.Errorf(api.KindConflict, "edge %s is at revision %d, not %d, or a role is free", r.Name, rec.Revision, r.Expect)
	}
	avoid := r.AvoidNodes
	if !r.Planned {
		avoid = append(avoid, rec.Locator.Node)
	}
	node := c.place(r.Name, avoid...)
	if node == "" {
		return rec, api.Errorf(api.KindNoRoom, "no node for a spare of edge %s", r.Name)
	}
	rec, err := c.armOn(c.endSpare(rec), node)
	if err != nil || !r.Planned {
		return rec, err
	}
	rec.Spare.Planned = true // of a record that nobody has seen yet
	return c.put(rec), nil
}

func (c *Cluster) armOn(rec api.Edge, node locator.NodeID) (api.Edge, error) {
	at, err := c.grant(rec, node)
	if err != nil {
		return rec, err
	}
	rec.Spare = &api.Spare{Generation: at.Generation, Locator: at, Producer: rec.Producer.Epoch, Consumer: rec.Consumer.Epoch}
	return c.put(rec), nil
}

func (c *Cluster) endSpare(rec api.Edge) api.Edge {
	if rec.Spare != nil {
		c.seal(rec.Spare.Locator)
		rec.Spare = nil
	}
	return rec
}

func (c *Cluster) seal(at locator.Locator) {
	if r := c.rings[at.Arena]; r != nil {
		r.arena.Seal(fabric.ErrSealed)
	}
}
