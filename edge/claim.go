package edge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fence"
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
		c, err := takeOnce(ctx, cl, s, o)
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
	for _, name := range append(append([]string{}, s.Consumes...), s.Produces...) {
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

// takeOnce reads the records, waits for their roles to be free if asked to, and tries the change once.
func takeOnce(ctx context.Context, cl Cluster, s Stage, o options) (*Roles, error) {
	session, err := cl.Session(ctx)
	if err != nil {
		return nil, err
	}
	req := api.ChangeRequest{Session: session.ID, Reason: api.ReasonTakeover, Detail: s.Name}
	for i, name := range append(append([]string{}, s.Consumes...), s.Produces...) {
		rec, err := cl.Edge(ctx, name)
		if err != nil && !errors.Is(err, api.ErrNotFound) {
			return nil, err
		}
		capacity := o.capacity
		if rec.Revision == 0 && capacity == 0 {
			capacity = CapacityDefault
		}
		change := api.EdgeChange{Name: name, Expect: rec.Revision, Capacity: capacity, Codec: s.Codecs[name]}
		side := rec.Producer
		if i < len(s.Consumes) {
			change.TakeConsumer, change.ConsumerStage, side = true, s.Name, rec.Consumer
		} else {
			change.TakeProducer, change.ProducerStage = true, s.Name
		}
		if o.standby && !side.Free() && side.Session != session.ID {
			return nil, waitFree(ctx, cl, name, rec, session)
		}
		req.Edges = append(req.Edges, change)
	}
	records, err := cl.Change(ctx, req)
	if err != nil {
		return nil, err
	}
	c := &Roles{cl: cl, stage: s, session: session, records: map[string]api.Edge{}}
	for _, rec := range records {
		c.records[rec.Name] = rec
	}
	return c, nil
}

// waitFree waits until the record of an edge is no longer rec, then returns api.ErrConflict: look again. So it does every so
// often without news, which may be lost.
func waitFree(ctx context.Context, cl Cluster, name string, rec api.Edge, session Session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := cl.Follow(ctx, name)
	recheck := time.NewTimer(recheckEvery)
	defer recheck.Stop()
	for {
		select {
		case now, open := <-news:
			if !open {
				return context.Cause(ctx)
			}
			if now.Revision > rec.Revision {
				return api.ErrConflict
			}
		case <-recheck.C:
			return api.ErrConflict
		case <-session.Lost:
			return api.ErrSessionLost
		}
	}
}

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
