package drain

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// Registry is the leader's; *registry.Registry is one.
type Registry interface {
	State() *state.State
	IsLeader() bool
	Servers() ([]registry.Server, error)
	Transfer(ctx context.Context, to locator.NodeID) error
	Apply(ctx context.Context, c state.Command) (state.Result, error)
}

// Mover carries out planned moves on the leader; *server.Server is one.
type Mover interface {
	Relocate(ctx context.Context, edge string, r api.RelocateRequest) (api.Edge, error)
}

// The times after which something that failed is tried again, doubled each time.
const (
	againMin = 500 * time.Millisecond
	againMax = 30 * time.Second
	// stepMax bounds one step.
	stepMax = 10 * time.Second
)

// Drainer empties nodes. Its methods are for one goroutine.
type Drainer struct {
	self     locator.NodeID
	registry Registry
	mover    Mover
	log      *slog.Logger
	tries    map[string]try // by what was tried
}

// try is what is known of something that did not succeed.
type try struct {
	after time.Time
	wait  time.Duration
}

// New returns a Drainer for the node self, which does nothing by itself.
func New(self locator.NodeID, r Registry, m Mover, log *slog.Logger) *Drainer {
	return &Drainer{self: self, registry: r, mover: m, log: log, tries: map[string]try{}}
}

// Step takes the next step of whatever is to be drained, which may take seconds, and reports whether there was one. While this
// node does not lead there is none.
func (d *Drainer) Step(ctx context.Context) (more bool) {
	if !d.registry.IsLeader() {
		clear(d.tries)
		return false
	}
	name, step := d.next(time.Now())
	if step == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, stepMax)
	defer cancel()
	if err := step(ctx); err != nil {
		t := d.tries[name]
		t.wait = min(max(2*t.wait, againMin), againMax)
		t.after = time.Now().Add(t.wait)
		d.tries[name] = t
		d.log.Warn("drain: a step failed, will try again", "step", name, "again_in", t.wait, "error", err)
		return true
	}
	delete(d.tries, name)
	d.log.Info("drain: a step is done", "step", name)
	return true
}

// next returns something that is due, nil if there is nothing.
func (d *Drainer) next(now time.Time) (name string, step func(context.Context) error) {
	s := d.registry.State()
	for n := range s.Nodes() {
		if n.Drain == api.DrainNot {
			continue
		}
		if n.ID == d.self {
			if name, step := d.abdicate(s, now); step != nil {
				return name, step
			}
		}
		for l := range s.LeasesOn(n.ID) {
			if name, step := d.move(s, l); step != nil && d.due(name, now) {
				return name, step
			}
		}
	}
	return "", nil
}

func (d *Drainer) due(name string, now time.Time) bool { return !now.Before(d.tries[name].after) }

// abdicate returns how to hand leadership to a voter that stays; nil if there is none that takes it now.
func (d *Drainer) abdicate(s *state.State, now time.Time) (name string, step func(context.Context) error) {
	servers, err := d.registry.Servers()
	if err != nil {
		return "", nil
	}
	for _, v := range servers {
		n, ok := s.Node(v.ID)
		name := fmt.Sprintf("leadership to node %s", v.ID)
		if ok && n.Drain == api.DrainNot && v.Voter && v.ID != d.self && d.due(name, now) {
			return name, func(ctx context.Context) error { return d.registry.Transfer(ctx, v.ID) }
		}
	}
	return "", nil
}

// move returns how to take an edge's lease off its node; nil if it is none.
func (d *Drainer) move(s *state.State, l state.Lease) (name string, step func(context.Context) error) {
	switch r, ok := s.Edge(l.Edge); {
	case l.Edge == "" || !ok:
		return "", nil
	case r.Lease == l.ID:
		return "ring of edge " + r.Name, func(ctx context.Context) error { return d.ring(ctx, r.Name, l) }
	case r.Spare != nil && r.Spare.Planned:
		return "", nil // the edge is on its way there; it is moved on afterwards
	default:
		return "spare of edge " + r.Name, func(ctx context.Context) error { return d.spare(ctx, l) }
	}
}

func (d *Drainer) ring(ctx context.Context, edge string, was state.Lease) error {
	e, err := d.mover.Relocate(ctx, edge, api.RelocateRequest{})
	if err == nil && e.Locator.Node == was.Node {
		return fmt.Errorf("edge %s is on node %s again, under generation %d", edge, was.Node, e.Generation)
	}
	return err
}

// spare gives a spare up. Its producer arms another, on a node that takes it.
func (d *Drainer) spare(ctx context.Context, l state.Lease) error {
	_, err := d.registry.Apply(ctx, state.RevokeLease{Lease: l.ID, Detail: "its node is being drained"})
	return err
}
