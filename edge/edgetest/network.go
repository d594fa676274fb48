package edgetest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/lease"
)

// Silence is how long a side hears nothing before it gives its ring up: the default of heartbeats.
const Silence = 150 * time.Millisecond

// network is what befalls requests to the registry and their answers. The cluster's lock guards it.
type network struct {
	slow  time.Duration // each way, and news
	until time.Time
	lost  int // answers of writes
	late  int // of these, writes that are carried out when their caller has given them up
}

// Clients returns the processes that have not been killed, the oldest first.
func (c *Cluster) Clients() []*Client {
	c.mu.Lock()
	all := slices.Clone(c.clients)
	c.mu.Unlock()
	return slices.DeleteFunc(all, func(p *Client) bool {
		select {
		case <-p.killed:
			return true
		default:
			return false
		}
	})
}

// SlowRegistry makes requests, answers and news take d each for as long as the whole.
func (c *Cluster) SlowRegistry(d, whole time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.network.slow, c.network.until = d, time.Now().Add(whole)
}

// LoseAnswers loses the answers of the next n writes of records: their callers learn api.ErrUnknown. If late, they are carried out
// only a while after that.
func (c *Cluster) LoseAnswers(n int, late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.network.lost, c.network.late = n, 0
	if late {
		c.network.late = n
	}
}

func (c *Cluster) lag() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().After(c.network.until) {
		return 0
	}
	return c.network.slow
}

// loses reports whether the answer of a write is to be lost, and the write to be late.
func (c *Cluster) loses() (lost, late bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := &c.network
	lost, late = n.lost > 0, n.late > 0
	n.lost, n.late = max(n.lost-1, 0), max(n.late-1, 0)
	return lost, late
}

// lateBy is how long a late write is on its way.
const lateBy = 40 * time.Millisecond

// carry brings a request to the registry, and its answer back.
func carry[A any](ctx context.Context, p *Client, write bool, ask func() (A, error)) (answer A, err error) {
	if err := p.Running(ctx); err != nil {
		return answer, err
	}
	if err := p.reachable(); err != nil {
		return answer, err
	}
	lag := p.c.lag()
	if err := pause(ctx, lag); err != nil {
		return answer, err
	}
	if write {
		lost, late := p.c.loses()
		switch {
		case late:
			time.AfterFunc(lateBy, func() { _, _ = ask() })
		case lost:
			_, _ = ask()
		}
		if lost {
			return answer, api.Errorf(api.KindUnknown, "process %s: the answer is lost", p.name)
		}
	}
	if answer, err = ask(); err != nil {
		return answer, err
	}
	if err := pause(ctx, lag); err != nil {
		return answer, err
	}
	return answer, p.Running(ctx)
}

// Running waits until the process is not paused, and fails if it is dead. Whatever stands for a store calls it before it does what the
// process asked it. It is a step: see Cluster.AtStep.
func (p *Client) Running(ctx context.Context) error {
	p.c.step()
	for open := p.stopped.opened(); open != nil; open = p.stopped.opened() {
		select {
		case <-open:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	select {
	case <-p.killed:
		return api.Errorf(api.KindSession, "process %s is dead", p.name)
	default:
		return nil
	}
}

// Pause stops the process for d, as SIGSTOP does: nothing that it does has an effect on records and rings until it goes on, and then all
// of it has. Its session ends if that is longer than a lease; it wakes as a zombie then. Its own goroutines run on, so what it does to
// stores is to wait for Running.
func (p *Client) Pause(d time.Duration) {
	p.stopped.shut(d)
	for _, s := range p.attached() {
		s.ear.shut(d)
		s.other(func(o *side) { o.deafen(d) })
	}
	if d > lease.TTLDefault {
		time.AfterFunc(lease.TTLDefault, p.EndSession)
	}
}

func (p *Client) attached() []*side {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.sides))
}

// other calls do with the ring's other side.
func (s *side) other(do func(*side)) {
	for _, p := range s.holder.c.Clients() {
		for _, o := range p.attached() {
			if o.ring == s.ring && o.role != s.role {
				do(o)
			}
		}
	}
}

// each calls do with the sides of an edge's ring, or of its spare.
func (c *Cluster) each(name string, spare bool, do func(*side)) {
	rec, _ := c.Edge(name)
	at := rec.Locator
	if spare && rec.Spare != nil {
		at = rec.Spare.Locator
	}
	for _, p := range c.Clients() {
		for _, s := range p.attached() {
			if s.ring.arena.Config().Arena == at.Arena {
				do(s)
			}
		}
	}
}

// CutOneWay keeps what is done at the other end of an edge's ring from one of its sides for d; what that side does arrives. After Silence
// it gives the ring up.
func (c *Cluster) CutOneWay(name string, deaf fabric.Role, d time.Duration) {
	c.each(name, false, func(s *side) {
		if s.role == deaf {
			s.deafen(d)
		}
	})
}

// CutRing is CutOneWay both ways: a ring whose host is silent.
func (c *Cluster) CutRing(name string, d time.Duration) {
	c.each(name, false, func(s *side) { s.deafen(d) })
}

// CutSpare is CutRing for an edge's spare.
func (c *Cluster) CutSpare(name string, d time.Duration) {
	c.each(name, true, func(s *side) { s.deafen(d) })
}

// SlowRing has both sides of an edge's ring hear of each other but once every d, for as long as the whole.
func (c *Cluster) SlowRing(name string, d, whole time.Duration) {
	c.each(name, false, func(s *side) { s.ear.slow(d, whole) })
}

// Damage has the next record that is read from an edge's ring be another than was written.
func (c *Cluster) Damage(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rings[c.edges[name].Locator.Arena]; r != nil {
		r.damaged.Store(true)
	}
}

// Expire ends the lease of an edge's current ring: there at once, and in the record, which nobody may do early, when d has passed.
func (c *Cluster) Expire(name string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.edges[name].Locator
	if r := c.rings[at.Arena]; r != nil {
		r.arena.Seal(fabric.ErrLeaseExpired)
	}
	time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if rec := c.edges[name]; rec.Locator.Arena == at.Arena && at.Arena != "" {
			rec.Reason = api.ReasonExpired
			c.put(rec)
		}
	})
}
