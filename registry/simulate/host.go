package simulate

import (
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/session"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/leasebroker"
	"github.com/grafnode/grafnode/registry/state"
)

// host is a node's end of its stages' lines, and of the leases that lie on it. It acts as node and node/host do.
type host struct {
	incarnation uint64 // zero: not registered yet
	wires       []*wire
	guests      []*guest
	deadlines   map[lease.ID]lease.Instant // of what lies here, by its renewals
	dropped     map[lease.ID]bool          // nobody uses it any more: not renewed
}

// guest is a stage whose hello was welcome.
type guest struct {
	wire     *wire
	id       lease.SessionID
	ttl      time.Duration
	beat     lease.Instant
	deadline lease.Instant
	lost     bool
}

func (h *host) reset() {
	*h = host{deadlines: map[lease.ID]lease.Instant{}, dropped: map[lease.ID]bool{}}
}

const again = 200 * time.Millisecond

// register announces this life, until it is known.
func (n *node) register() {
	was, _ := n.state.Node(n.id)
	c := state.RegisterNode{
		Node: n.id, Address: "127.0.0.1:1", Zone: "z", Memory: 1 << 30, Incarnation: was.Incarnation + 1,
	}
	n.forward("register", func(l *node, reply func(answer)) { l.write(c, reply) }, func(a answer) {
		if a.err == nil {
			n.incarnation = a.result.Node.Incarnation
			n.renewSoon()
			return
		}
		n.after(again, "register again", 0, n.register)
	})
}

// noticed looks at what an entry did to this node's guests and leases.
func (n *node) noticed(_ *entry, r state.Result) {
	for _, e := range r.Ended {
		n.ended(e.ID)
	}
	for _, l := range r.Leases {
		if l.Node == n.id && l.Incarnation == n.incarnation && n.deadlines[l.ID] == 0 && n.w.chance(50) {
			n.dropped[l.ID] = true
		}
	}
}

// fresh looks at a state that came whole.
func (n *node) fresh() {
	n.keeperStep(func(lease.Instant) leasebroker.Effects { return n.keeper.Restored() })
	for _, g := range n.guests {
		if _, live := n.state.Session(g.id); !live {
			n.lose(g)
		}
	}
}

func (n *node) ended(id string) {
	for _, g := range n.guests {
		if string(g.id) == id {
			n.lose(g)
		}
	}
	delete(n.deadlines, lease.ID(id))
	delete(n.dropped, lease.ID(id))
}

func (n *node) lose(g *guest) {
	if g.lost {
		return
	}
	g.lost = true
	g.wire.tell("session lost", (*session.Machine).Ended)
}

// renewSoon sends batched renewals, in turns, for as long as the node lives.
func (n *node) renewSoon() {
	keys, shortest := n.renewable()
	next := func(d time.Duration) { n.after(d, "renew", 0, n.renewSoon) }
	if len(keys) == 0 {
		next(lease.RenewEvery(shortest))
		return
	}
	asked, at, incarnation := n.m.now(), n.w.now, n.incarnation
	n.forward("renewal", func(l *node, reply func(answer)) { l.renew(n, incarnation, keys, at, reply) }, func(a answer) {
		if a.err != nil {
			next(again)
			return
		}
		n.renewed(asked, keys, a.renewed)
		next(lease.RenewEvery(shortest))
	})
}

func (n *node) renewable() (keys []leasebroker.Key, shortest time.Duration) {
	now := n.m.now()
	shortest = ttlMax
	for l := range n.state.LeasesOn(n.id) {
		shortest = min(shortest, l.TTL)
		d := n.deadlines[l.ID]
		if l.Incarnation != n.incarnation || n.dropped[l.ID] || d != 0 && d <= now {
			continue
		}
		if d != 0 && n.w.chance(5) {
			n.dropped[l.ID] = true
		}
		keys = append(keys, leasebroker.Key{Lease: l.ID})
	}
	for _, g := range n.guests {
		shortest = min(shortest, g.ttl)
		if !g.lost && now.Sub(g.beat) < 2*lease.RenewEvery(g.ttl) {
			keys = append(keys, leasebroker.Key{Session: g.id})
		}
	}
	return keys, shortest
}

// renewed takes deadlines in. What has passed stays passed.
func (n *node) renewed(asked lease.Instant, keys []leasebroker.Key, granted map[leasebroker.Key]time.Duration) {
	now := n.m.now()
	for _, key := range keys {
		d, ok := granted[key]
		if !ok {
			continue
		}
		deadline := lease.HolderDeadline(asked, d)
		if had := n.deadlines[key.Lease]; key.Lease != "" && (had == 0 || now < had) {
			n.deadlines[key.Lease] = max(had, deadline)
		}
		for _, g := range n.guests {
			if g.id == key.Session && deadline > g.deadline {
				g.deadline = deadline
				g.wire.good(deadline)
			}
		}
	}
}

// hello opens a session for a stage, or takes up an old one that began with an earlier life of this node.
func (n *node) hello(on *wire, old lease.SessionID, ttl time.Duration) {
	refuse := func(why error) {
		n.w.send(n.m, &on.stage.process, "refused", n.who, func() { on.refused(why) })
		on.closed = true
	}
	if on.closed {
		return
	}
	if n.incarnation == 0 {
		refuse(errAway)
		return
	}
	g := &guest{wire: on, id: old, ttl: ttl, beat: n.m.now()}
	var c state.Command
	if old == "" {
		g.id, g.deadline = lease.SessionID(n.w.id("s")), lease.HolderDeadline(n.m.now(), ttl)
		c = state.OpenSession{Session: g.id, Stage: on.stage.name, Node: n.id, Incarnation: n.incarnation, TTL: ttl}
	} else {
		for _, other := range n.guests {
			if other.id == old { // its line to this life was closed
				refuse(api.ErrSessionLost)
				return
			}
		}
		c = state.AdoptSession{Session: old, Node: n.id, Incarnation: n.incarnation}
	}
	n.forward("hello", func(l *node, reply func(answer)) { l.write(c, reply) }, func(a answer) {
		switch {
		case a.err != nil:
			if old == "" {
				n.endSession(g.id)
			}
			refuse(a.err)
		case on.closed:
			n.endSession(g.id)
		default:
			n.guests = append(slices.DeleteFunc(n.guests, func(o *guest) bool { return o.lost && o.wire.stage == on.stage && o.id != old }), g)
			deadline := g.deadline
			on.tell("welcome", func(m *session.Machine, now lease.Instant) session.Effects {
				return m.Welcomed(on.number, g.id, deadline, now)
			})
		}
	})
}

// good tells a stage how long its session is good.
func (c *wire) good(d lease.Instant) {
	c.tell("good", func(m *session.Machine, now lease.Instant) session.Effects { return m.Good(d, now) })
}

// beaten takes a stage's beat.
func (n *node) beaten(on *wire) {
	for _, g := range n.guests {
		if g.wire == on && !g.lost {
			g.beat = n.m.now()
			on.good(g.deadline)
		}
	}
}

// departed sees off the session whose line was closed.
func (n *node) departed(on *wire) {
	n.wires = slices.DeleteFunc(n.wires, func(c *wire) bool { return c == on })
	for _, g := range n.guests {
		if g.wire == on && !g.lost {
			g.lost = true
			n.endSession(g.id)
		}
	}
}

// endSession has the cluster end a session, until it has.
func (n *node) endSession(id lease.SessionID) {
	c := state.EndSession{Session: id, Incarnation: n.incarnation}
	n.forward("end session", func(l *node, reply func(answer)) { l.write(c, reply) }, func(a answer) {
		if undecided(a.err) {
			n.after(again, "end session again", 0, func() { n.endSession(id) })
		}
	})
}
