package simulate

import (
	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/settle"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// opSpare is what a producer says of its edge's spare. It has moved there, or nothing has become of it, and it wants another: by what
// it has last heard, which may be long ago.
func (s *stage) opSpare() *op {
	if s.over() {
		return nil
	}
	var mine []state.Record
	for r := range s.node.state.EdgesOf(s.session()) {
		if r.Producer.Session == s.session() || s.w.chance(50) {
			mine = append(mine, r)
		}
	}
	if len(mine) == 0 {
		return nil
	}
	r := mine[s.w.rng.IntN(len(mine))]
	heard := s.spares[r.Name]
	if r.Spare != nil && r.Spare.Lease != "" && s.w.chance(900) {
		heard = r.Spare.Generation
	}
	c := state.ChangeSpare{
		Op: s.w.id("op"), Session: s.session(), Edge: r.Name, Expect: r.Revision, TTL: s.w.between(ttlMin, ttlMax), Reason: api.ReasonSpareArmed,
	}
	if heard != 0 && s.w.chance(700) {
		c.Confirm, c.Reason = heard, api.ReasonRingLost
	}
	c.Arm = c.Confirm == 0 || s.w.chance(700)
	s.spares[r.Name] = heard
	return &op{
		what: "spare", edge: r.Name, id: c.Op, session: s.session(), repeat: true,
		asked: []asked{{r.Name, settle.Change{Expect: c.Expect, Confirm: c.Confirm, Session: c.Session, Reason: c.Reason}}},
		serve: func(n *node, reply func(answer)) {
			n.forward("forwarded spare", func(l *node, reply func(answer)) { l.spare(c, reply) }, reply)
		},
	}
}

// spare is the leader's handler: it finds a place, sometimes a bad one, or none.
func (n *node) spare(c state.ChangeSpare, reply func(answer)) {
	if n.state.Admits(c) != nil {
		reply(answer{err: errOlder})
		return
	}
	if c.Arm && (c.Confirm == 0 || !n.w.chance(100)) {
		c.Lease, c.Node = lease.ID(n.w.id("l")), n.place()
		if r, _ := n.state.Edge(c.Edge); r.Node == c.Node {
			c.Node = n.place()
		}
	}
	n.write(c, reply)
}

// opPlan is a planned move: an operator's, or a side's own.
func (s *stage) opPlan(edge string) *op {
	r, ok := s.node.state.Edge(edge)
	if !ok {
		return nil
	}
	c := state.ChangeSpare{Edge: edge, Expect: r.Revision, Arm: true, Planned: true, TTL: s.w.between(ttlMin, ttlMax), Reason: api.ReasonRequested}
	if !s.over() && s.w.chance(300) {
		c.Session = s.session()
	}
	return &op{what: "plan", edge: edge, session: c.Session, serve: func(n *node, reply func(answer)) {
		n.forward("forwarded plan", func(l *node, reply func(answer)) { l.spare(c, reply) }, reply)
	}}
}

// opDrain is an operator's, or a node's own before it goes: nothing is to be placed there any more, or something again.
func (s *stage) opDrain() *op {
	drain := []api.Drain{api.DrainNot, api.DrainNot, api.DrainUntilEnabled, api.DrainUntilStart}[s.w.rng.IntN(4)]
	c := state.DrainNode{Node: s.w.anyNode().id, Drain: drain}
	if s.node.state.Admits(c) != nil {
		return nil
	}
	return s.write("drain", "", "", c)
}

// drained judges what an entry did to nodes that are being drained: nothing is placed there, and an operator's word stands until he
// takes it back, whatever the node does.
func (j *judge) drained(e *entry) {
	for _, c := range e.result.Changes {
		if c.Kind != api.RecordLease {
			continue
		}
		l, is := e.to.Lease(lease.ID(c.Key))
		if had, was := e.from.Lease(l.ID); is && (!was || had.Node != l.Node) && j.drains[l.Node] != api.DrainNot {
			j.object("lease %s is placed on node %s, which is to be drained %s", l.ID, l.Node, j.drains[l.Node])
		}
	}
	switch c := e.command.(type) {
	case state.DrainNode:
		if c.Drain != api.DrainUntilStart || j.drains[c.Node] == api.DrainNot {
			j.drains[c.Node] = c.Drain
		}
		j.w.Stats.Drains++
	case state.RegisterNode:
		if j.drains[c.Node] == api.DrainUntilStart {
			delete(j.drains, c.Node)
		}
	case state.RemoveNode:
		delete(j.drains, c.Node)
	}
}

// changedSpare judges a producer's word: it has its effect once, and is carried out for the producer that there is.
func (j *judge) changedSpare(e *entry, c state.ChangeSpare, fresh bool) {
	was, before := j.ops[c.Op]
	switch {
	case c.Op == "": // nobody asks for it again
	case fresh && j.refused[c.Op]:
		j.object("operation %s was applied at revision %d, after it was said to be refused", c.Op, e.result.Revision)
	case fresh && before:
		j.object("operation %s was applied at revision %d, and again at %d", c.Op, was.revision, e.result.Revision)
	case !fresh && (!before || was.revision != e.result.Revision):
		j.object("operation %s is said to be of revision %d, applied was %+v", c.Op, e.result.Revision, was)
	}
	if !fresh {
		j.w.Stats.Repeats++
		return
	}
	if c.Op != "" {
		j.ops[c.Op] = opTruth{index: e.index, revision: e.result.Revision}
	}
	if c.Planned {
		j.w.Stats.Plans++
	}
	old, _ := e.from.Edge(c.Edge)
	is, _ := e.to.Edge(c.Edge)
	t := j.edge(c.Edge)
	if planner := c.Planned && (c.Session == "" || c.Session == old.Consumer.Session); old.Producer.Session != c.Session && !planner {
		j.object("edge %s: the spare is changed by %s, the producer is %s", c.Edge, c.Session, old.Producer.Session)
	}
	if old.Producer != is.Producer || old.Consumer != is.Consumer {
		j.object("edge %s: roles changed with the spare, from %+v and %+v to %+v and %+v", c.Edge, old.Producer, old.Consumer, is.Producer, is.Consumer)
	}
	if c.Confirm == 0 && (is.Generation != old.Generation || is.Lease != old.Lease) {
		j.object("edge %s: arming moved the ring from generation %d to %d", c.Edge, old.Generation, is.Generation)
	}
	if c.Confirm != 0 {
		j.w.Stats.SparesConfirmed++
		if g := t.grants[c.Confirm]; is.Generation != c.Confirm || g.lease != is.Lease.Arena() || g.sides[0] != c.Session || g.epochs != epochs(is) {
			j.object("edge %s: %s confirmed generation %d, of %+v; the ring is %s of generation %d, the roles %v",
				c.Edge, c.Session, c.Confirm, g, is.Lease, is.Generation, epochs(is))
		}
	}
}

// rings judges which generations an edge has now: each was granted once, to one arena, and none that was given up comes again.
func (j *judge) rings(e *entry, name string) {
	t := j.edge(name)
	old, _ := e.from.Edge(name)
	is, _ := e.to.Edge(name)
	now := map[fence.Epoch]bool{is.Generation: true}
	if s := is.Spare; s != nil && s.Lease != "" {
		now[s.Generation] = true
		j.spared(t, is)
	}
	if g, granted := t.grants[is.Generation]; granted && is.Lease != "" && g.lease != is.Lease.Arena() {
		j.object("edge %s: generation %d granted to ring %s, and before to %s", name, is.Generation, is.Lease, g.lease)
	}
	for g := range now {
		if t.gone[g] {
			j.object("edge %s: generation %d was given up, and is there again", name, g)
		}
	}
	if old.Name != "" && !now[old.Generation] {
		t.gone[old.Generation] = true
	}
	if s := old.Spare; s != nil && s.Lease != "" && !now[s.Generation] {
		t.gone[s.Generation] = true
		j.w.Stats.SparesLost++
	}
}

// spared judges the spare that an edge has.
func (j *judge) spared(t *edgeTruth, r state.Record) {
	s := r.Spare
	g, had := t.grants[s.Generation]
	switch arena := s.Lease.Arena(); {
	case had && g.lease != arena:
		j.object("edge %s: generation %d granted to spare %s, and before to %s", r.Name, s.Generation, arena, g.lease)
	case had:
	case s.Generation <= t.top:
		j.object("edge %s: generation %d granted to spare %s, %d was granted before", r.Name, s.Generation, arena, t.top)
	default:
		t.top = s.Generation
		t.grants[s.Generation] = grant{arena, s.Node, sessions(r), [2]fence.Epoch{s.Producer, s.Consumer}}
		j.w.Stats.SparesArmed++
	}
	if e := [2]fence.Epoch{s.Producer, s.Consumer}; e != epochs(r) {
		j.object("edge %s: spare %d is for %v, the roles are at %v", r.Name, s.Generation, e, epochs(r))
	}
}

func sessions(r state.Record) [2]lease.SessionID {
	return [2]lease.SessionID{r.Producer.Session, r.Consumer.Session}
}

func epochs(r state.Record) [2]fence.Epoch { return [2]fence.Epoch{r.Producer.Epoch, r.Consumer.Epoch} }

// hear notes an edge's spare.
func (s *stage) hear(r state.Record) {
	if r.Spare != nil && r.Spare.Lease != "" {
		s.spares[r.Name] = r.Spare.Generation
	}
}
