package edge

import (
	"context"
	"errors"
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

// Stage is what is claimed at once: a name, the edges that it consumes and those that it produces.
type Stage struct {
	Name     string
	Consumes []string
	Produces []string
	Codecs   map[string]string // by edge: CodecHash of what it carries; may leave out those whose record has one
}

// Roles are a stage's roles, taken in one operation (rule 3) by one session. They last until that session ends or somebody
// else takes one of them.
type Roles struct {
	cl      Cluster
	stage   Stage
	session Session
	records map[string]api.Edge // as they were right after the claim
}

// Claim takes all roles of a stage in one compare-and-set, each on a fresh ring of a higher generation, creating edges
// that do not exist. With Standby it first waits until no other session has any of them. Blocks until it has them or ctx
// ends; terminal errors are api.ErrCodec and api.ErrInvalid.
func Claim(ctx context.Context, cl Cluster, s Stage, opts ...Option) (*Roles, error) {
	o := apply(opts)
	if err := s.validate(); err != nil {
		return nil, err
	}
	for try := newBackoff(); ; {
		c, waited, err := takeOnce(ctx, cl, s, o)
		if waited {
			try = newBackoff() // that was no failure
		}
		switch {
		case err == nil:
			for _, name := range s.Consumes {
				o.events.claimed(name, fabric.RoleConsumer, c.Epoch(name, fabric.RoleConsumer))
			}
			for _, name := range s.Produces {
				o.events.claimed(name, fabric.RoleProducer, c.Epoch(name, fabric.RoleProducer))
			}
			return c, nil
		case errors.Is(err, api.ErrConflict), errors.Is(err, api.ErrSessionLost):
			// Somebody was quicker, or the session ended before it had anything: look again.
		case terminal(err):
			return nil, fmt.Errorf("claim stage %s: %w", s.Name, err)
		}
		if err := try.sleep(ctx); err != nil {
			return nil, err
		}
	}
}

func (s Stage) validate() error {
	if err := api.CheckEdgeName(s.Name); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	if len(s.Consumes)+len(s.Produces) == 0 {
		return fmt.Errorf("stage %s: no edges to claim", s.Name)
	}
	seen := map[string]bool{}
	for _, name := range s.edges() {
		if err := api.CheckEdgeName(name); err != nil {
			return fmt.Errorf("stage %s: edge: %w", s.Name, err)
		}
		if seen[name] {
			return fmt.Errorf("stage %s: edge %s is named twice", s.Name, name)
		}
		seen[name] = true
	}
	return nil
}

// takeOnce reads the records, waits for their roles to be free if asked to, and tries the change once. It reports whether it has waited.
func takeOnce(ctx context.Context, cl Cluster, s Stage, o options) (c *Roles, waited bool, err error) {
	session, err := cl.Session(ctx)
	if err != nil {
		return nil, false, err
	}
	var known map[string]api.Edge
	if o.standby {
		known, waited, err = awaitFree(ctx, cl, s, session)
	} else {
		known, err = readAll(ctx, cl, s)
	}
	if err != nil {
		return nil, waited, err
	}
	records, err := cl.Change(ctx, s.takeover(session.ID, known, o))
	if err != nil {
		return nil, waited, err
	}
	c = &Roles{cl: cl, stage: s, session: session, records: map[string]api.Edge{}}
	for _, rec := range records {
		c.records[rec.Name] = rec
	}
	return c, waited, nil
}

// takeover asks for all roles of a stage whose records are known.
func (s Stage) takeover(session lease.SessionID, known map[string]api.Edge, o options) api.ChangeRequest {
	req := api.ChangeRequest{Session: session, Reason: api.ReasonTakeover, Detail: s.Name}
	for i, name := range s.edges() {
		rec, capacity := known[name], o.capacity
		if rec.Revision == 0 && capacity == 0 {
			capacity = CapacityDefault
		}
		change := api.EdgeChange{Name: name, Expect: rec.Revision, Capacity: capacity, Codec: s.Codecs[name]}
		if i < len(s.Consumes) {
			change.TakeConsumer, change.ConsumerStage = true, s.Name
		} else {
			change.TakeProducer, change.ProducerStage = true, s.Name
		}
		req.Edges = append(req.Edges, change)
	}
	return req
}

// edges returns the names of the stage's edges, those that it consumes first.
func (s Stage) edges() []string { return append(append([]string{}, s.Consumes...), s.Produces...) }

// Epoch returns the epoch of a claimed role: the generation of the takeover.
func (c *Roles) Epoch(edge string, role fabric.Role) fence.Epoch {
	return sideOf(c.records[edge], role).Epoch
}

// Stage returns what was claimed.
func (c *Roles) Stage() Stage { return c.stage }

// Lost is closed when the claiming session has ended.
func (c *Roles) Lost() <-chan struct{} { return c.session.Lost }

// has reports whether the claim includes a role.
func (c *Roles) has(edge string, role fabric.Role) bool {
	rec, ok := c.records[edge]
	return ok && sideOf(rec, role).Session == c.session.ID
}

func sideOf(rec api.Edge, role fabric.Role) api.Side {
	if role == fabric.RoleProducer {
		return rec.Producer
	}
	return rec.Consumer
}

// claimFor returns the claim that an edge is opened under: the given one, or a new one for this role alone.
func claimFor(ctx context.Context, cl Cluster, name string, role fabric.Role, codec string, o options, opts []Option) (*Roles, error) {
	if o.claim != nil {
		if !o.claim.has(name, role) {
			return nil, fmt.Errorf("edge %s: the claim of stage %s has no role %s on it", name, o.claim.stage.Name, role)
		}
		switch had := o.claim.records[name].Codec; had {
		case codec:
		case "":
			return nil, fmt.Errorf("edge %s: neither its record nor stage %s says what it carries; set Stage.Codecs: %w",
				name, o.claim.stage.Name, api.ErrCodec)
		default:
			return nil, fmt.Errorf("edge %s: record has codec %s, this side %s: %w", name, had, codec, api.ErrCodec)
		}
		return o.claim, nil
	}
	s := Stage{Name: o.stage, Codecs: map[string]string{name: codec}}
	if s.Name == "" {
		s.Name = name
	}
	if role == fabric.RoleProducer {
		s.Produces = []string{name}
	} else {
		s.Consumes = []string{name}
	}
	return Claim(ctx, cl, s, opts...)
}
