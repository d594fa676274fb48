package simulate

import (
	"github.com/grafnode/grafnode/internal/session"
	"github.com/grafnode/grafnode/lease"
)

// wire is a connection from a stage to its node's session socket. Both ends are on one machine: nothing is lost on it, and who writes
// to a wire that the other end has closed knows at once.
type wire struct {
	stage  *stage
	me     *session.Machine // whose life it is
	number session.Line
	closed bool
}

// connect opens a wire and says hello over it.
func (s *stage) connect(l session.Line) {
	n, me, old := s.node, s.me, s.me.ID()
	c := &wire{stage: s, me: me, number: l}
	s.wire = c
	if !n.up {
		c.closed = true
		s.after(s.w.delay(), "connection refused", n.who, func() { c.refused(errAway) })
		return
	}
	n.wires = append(n.wires, c)
	ttl := s.ttl
	s.w.send(s.m, &n.process, "hello", s.who, func() { n.hello(c, old, ttl) })
}

// hangUp closes the stage's end. To the node that is the end of the process.
func (c *wire) hangUp() {
	if c.closed {
		return
	}
	c.closed = true
	s := c.stage
	s.w.send(s.m, &s.node.process, "line closed", s.who, func() { s.node.departed(c) })
}

// tell brings a stage the node's word, if it is still its session's.
func (c *wire) tell(what string, f func(m *session.Machine, now lease.Instant) session.Effects) {
	s := c.stage
	s.w.send(s.m, &s.process, what, s.node.who, func() {
		if s.me == c.me {
			s.step(f)
		}
	})
}

func (c *wire) refused(why error) {
	if s := c.stage; s.me == c.me {
		s.step(func(m *session.Machine, now lease.Instant) session.Effects { return m.Refused(c.number, why, now) })
	}
}

// hangUpAll breaks the wires: the node is gone.
func (n *node) hangUpAll() {
	for _, c := range n.wires {
		if !c.closed {
			c.closed = true
			c.tell("line broken", func(m *session.Machine, now lease.Instant) session.Effects {
				if m.Line() == c.number {
					return m.Broke(c.number, now)
				}
				return m.Refused(c.number, errAway, now)
			})
		}
	}
	n.wires = nil
}
