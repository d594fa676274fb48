package simulate

import (
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/settle"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/registry/state"
)

// edgesMax is how many edges the stages fight for.
const edgesMax = 12

func edgeName(n int) string { return fmt.Sprintf("e%02d", n) }

// op is a stage's request, from its first try to its answer.
type op struct {
	what    string
	edge    string
	id      string  // of changes: makes an unknown outcome resolvable
	asked   []asked // of those that are settled by reading
	mode    api.Consistency
	session lease.SessionID
	serve   func(n *node, reply func(answer)) // at the node that gets it
	repeat  bool                              // may be sent again when its outcome is unknown
	tries   int
	open    int    // tries without an answer yet
	doubt   bool   // some try may have been carried out
	floor   uint64 // what was known to be committed when it began
	era     int    // of the judge
}

const (
	triesMax   = 12
	hedgeAfter = 500 * time.Millisecond
)

// next begins another request.
func (s *stage) next() {
	if s.doing != nil {
		return
	}
	edge := edgeName(s.w.rng.IntN(edgesMax))
	var o *op
	_, known := s.known[edge]
	switch dice := s.w.rng.IntN(100); {
	case dice < 30 || !known && dice < 60:
		o = s.opRead(edge)
	case dice < 70:
		o = s.opChange(edge)
	case dice < 80:
		o = s.opSpare()
	case dice < 86:
		o = s.opDelete(edge)
	case dice < 89:
		o = s.opMove(edge)
		if s.w.chance(300) {
			o = s.opDrain()
		}
	case dice < 95:
		o = s.opLease()
	default:
		o = s.opRevoke(edge)
	}
	if o == nil {
		s.pause()
		return
	}
	o.floor, o.era = s.w.judge.floor, s.w.judge.era
	s.doing = o
	s.try(o)
}

func (s *stage) pause() {
	s.after(s.w.between(time.Millisecond, 150*time.Millisecond), "think", 0, s.next)
}

// try sends a request to some node, its own one first. One that may be repeated is sent to another as well when it takes long.
func (s *stage) try(o *op) {
	n := s.node
	if o.tries > 0 || s.w.chance(100) {
		n = s.w.nodes[s.w.rng.IntN(len(s.w.nodes))]
	}
	o.tries++
	o.open++
	s.w.call(&s.process, n, o.what, func(reply func(answer)) { o.serve(n, reply) }, func(a answer) {
		o.open--
		s.answered(o, a)
	})
	if o.repeat && o.tries < triesMax {
		tries := o.tries
		s.w.plan(hedgeAfter, func() {
			if s.doing == o && o.tries == tries && o.open > 0 && s.awake() {
				s.try(o)
			}
		})
	}
}

// answered takes in an answer as client.Change and client.Edge do: what may have happened is asked again under the same ID, or
// found out by reading.
func (s *stage) answered(o *op, a answer) {
	if s.doing != o {
		s.w.judge.late(o, a)
		return
	}
	o.doubt = o.doubt || errors.Is(a.err, api.ErrUnknown)
	switch {
	case !undecided(a.err):
		s.finish(o, a)
	case o.open > 0:
	case o.session != "" && s.session() != o.session, o.tries >= triesMax, o.doubt && !o.repeat:
		s.w.Stats.Unknown++
		s.doing = nil
		delete(s.known, o.edge) // it is read before it is written again
		s.pause()
	default:
		s.after(s.w.between(10*time.Millisecond, 500*time.Millisecond), "try again", 0, func() {
			if s.doing == o && o.open == 0 {
				s.try(o)
			}
		})
	}
}

func (s *stage) finish(o *op, a answer) {
	s.doing = nil
	s.w.judge.answered(o, a)
	if o.tries > 1 && len(o.asked) > 0 && doubtful(a.err) {
		s.settle(o, a.err, 0)
		return
	}
	switch {
	case a.err != nil:
		delete(s.known, o.edge)
	case o.mode != "":
		s.known[o.edge] = a.record.Revision
		s.hear(a.record)
	default:
		for _, r := range a.result.Edges {
			s.known[r.Name] = r.Revision
			s.hear(r)
		}
		for _, l := range a.result.Leases {
			if l.Edge == "" && l.Session == s.session() {
				s.leases = append(s.leases, l.ID)
			}
		}
	}
	s.pause()
}

func (s *stage) opRead(edge string) *op {
	mode := api.Default
	switch s.w.rng.IntN(10) {
	case 0, 1:
		mode = api.Strict
	case 2, 3, 4:
		mode = api.Stale
	}
	return &op{what: "read " + string(mode), edge: edge, mode: mode, repeat: true, serve: func(n *node, reply func(answer)) {
		if mode == api.Stale {
			n.get(edge, mode, reply)
			return
		}
		n.forward("forwarded read", func(l *node, reply func(answer)) { l.get(edge, mode, reply) }, reply)
	}}
}

// opChange takes roles or asks for new rings, on one edge or several at once.
func (s *stage) opChange(edge string) *op {
	if s.over() {
		return nil
	}
	c := state.ChangeEdges{
		Op: s.w.id("op"), Session: s.session(), Reason: api.ReasonTakeover, TTL: s.w.between(ttlMin, ttlMax),
	}
	names := []string{edge}
	for s.w.chance(250) && len(names) < 4 {
		name := edgeName(s.w.rng.IntN(edgesMax))
		if name != names[0] && name != names[len(names)-1] {
			names = append(names, name)
		}
	}
	for _, name := range names {
		take := s.w.rng.IntN(8)
		c.Edges = append(c.Edges, state.EdgeChange{
			Name: name, Expect: s.known[name], TakeProducer: take != 0 && take < 5, TakeConsumer: take >= 4,
			ProducerStage: s.name, ConsumerStage: s.name, Capacity: 4096,
		})
	}
	var parts []asked
	for _, ec := range c.Edges {
		parts = append(parts, asked{ec.Name, settle.Change{Expect: ec.Expect, Session: c.Session, Reason: c.Reason}})
	}
	return &op{what: "change", edge: edge, id: c.Op, asked: parts, session: s.session(), repeat: true, serve: func(n *node, reply func(answer)) {
		n.forward("forwarded change", func(l *node, reply func(answer)) { l.change(c, reply) }, reply)
	}}
}

func (s *stage) write(what, edge string, session lease.SessionID, c state.Command) *op {
	return &op{what: what, edge: edge, session: session, serve: func(n *node, reply func(answer)) {
		n.forward("forwarded "+what, func(l *node, reply func(answer)) { l.write(c, reply) }, reply)
	}}
}

func (s *stage) opDelete(edge string) *op {
	c := state.DeleteEdge{Name: edge, Expect: s.known[edge]}
	if s.node.state.Level() >= 2 {
		c.Op = s.w.id("op")
	}
	o := s.write("delete", edge, "", c)
	o.repeat = c.Op != ""
	return o
}

// opMove is an operator's planned move.
func (s *stage) opMove(edge string) *op {
	if s.known[edge] == 0 {
		return nil
	}
	if s.w.chance(500) {
		return s.opPlan(edge)
	}
	c := state.ChangeEdges{Reason: api.ReasonRequested, TTL: ttlMax, Edges: []state.EdgeChange{{Name: edge, Expect: s.known[edge]}}}
	return &op{what: "move", edge: edge, serve: func(n *node, reply func(answer)) {
		n.forward("forwarded move", func(l *node, reply func(answer)) { l.change(c, reply) }, reply)
	}}
}

func (s *stage) opLease() *op {
	if s.over() {
		return nil
	}
	if len(s.leases) > 0 && s.w.chance(300) {
		id := s.leases[len(s.leases)-1]
		s.leases = s.leases[:len(s.leases)-1]
		return s.write("release", "", s.session(), state.ReleaseLease{Lease: id, Session: s.session()})
	}
	c := state.GrantLease{
		Lease: lease.ID(s.w.id("l")), Kind: lease.KindMemory, Node: s.w.nodes[s.w.rng.IntN(len(s.w.nodes))].id,
		Session: s.session(), Bytes: 4096, TTL: s.w.between(ttlMin, ttlMax),
	}
	if s.w.chance(500) {
		c.Kind, c.Name = lease.KindBlock, fmt.Sprintf("region%d", s.w.rng.IntN(3))
	}
	return s.write("grant", "", s.session(), c)
}

// opRevoke is an operator's: the lease of an edge's ring or spare, as a node near by knows it.
func (s *stage) opRevoke(edge string) *op {
	r, ok := s.node.state.Edge(edge)
	if !ok {
		return nil
	}
	id := r.Lease
	if r.Spare != nil && r.Spare.Lease != "" && s.w.chance(500) {
		id = r.Spare.Lease
	}
	return s.write("revoke", edge, "", state.RevokeLease{Lease: id})
}
