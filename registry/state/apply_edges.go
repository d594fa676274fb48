package state

import (
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/lease"
)

func (c ChangeEdges) apply(d *draft, e Entry) (Result, error) {
	if err := c.check(); err != nil {
		return Result{}, err
	}
	if result, ok := c.repeated(d); ok {
		return result, nil
	}
	var actor Session
	if c.Session != "" {
		var err error
		if actor, err = d.liveSession(c.Session); err != nil {
			return Result{}, err
		}
	}
	// First all conditions, on the state before; then all old rings are released, so that the new ones find their room.
	var result Result
	for _, ec := range c.Edges {
		if err := c.admit(d, ec); err != nil {
			return Result{}, fmt.Errorf("edge %s: %w", ec.Name, err)
		}
	}
	for _, ec := range c.Edges {
		r, _ := d.Edge(ec.Name)
		result.Ended = d.releaseRings(r, result.Ended)
	}
	for _, ec := range c.Edges {
		r, l, err := c.grant(d, ec, actor, e)
		if err != nil {
			return Result{}, fmt.Errorf("edge %s: %w", ec.Name, err)
		}
		result.Edges, result.Leases = append(result.Edges, r), append(result.Leases, l)
	}
	return result, nil
}

// check looks at what does not depend on the state.
func (c ChangeEdges) check() error {
	if n := len(c.Edges); n == 0 || n > ChangeEdgesMax {
		return fmt.Errorf("%d edges in one change, must be 1 to %d: %w", n, ChangeEdgesMax, api.ErrInvalid)
	}
	if err := checkText("op ID", c.Op, idMax); err != nil {
		return err
	}
	if err := checkText("reason", string(c.Reason), idMax); err != nil {
		return err
	}
	if err := lease.CheckTTL(c.TTL); err != nil {
		return fmt.Errorf("%w: %w", err, api.ErrInvalid)
	}
	for i := range c.Edges {
		ec := &c.Edges[i]
		if err := ec.check(c.Session); err != nil {
			return fmt.Errorf("edge %q: %w", ec.Name, err)
		}
		for j := range i { // at most ChangeEdgesMax, and mostly one
			if ec.Name == c.Edges[j].Name || ec.Lease == c.Edges[j].Lease {
				return fmt.Errorf("an edge or a lease is named twice: %w", api.ErrInvalid)
			}
		}
	}
	return nil
}

func (ec EdgeChange) check(actor lease.SessionID) error {
	if err := api.CheckEdgeName(ec.Name); err != nil {
		return fmt.Errorf("%w: %w", err, api.ErrInvalid)
	}
	if err := CheckID("lease ID", ec.Lease); err != nil {
		return err
	}
	if err := checkText("codec", ec.Codec, textMax); err != nil {
		return err
	}
	takes := ec.TakeProducer || ec.TakeConsumer
	if takes && actor == "" {
		return fmt.Errorf("takes a role without a session: %w", api.ErrInvalid)
	}
	for _, side := range []struct {
		take  bool
		stage string
	}{{ec.TakeProducer, ec.ProducerStage}, {ec.TakeConsumer, ec.ConsumerStage}} {
		if !side.take {
			continue
		}
		if err := api.CheckEdgeName(side.stage); err != nil {
			return fmt.Errorf("stage: %w: %w", err, api.ErrInvalid)
		}
	}
	return nil
}

// repeated finds the answer of a change that was applied before. It holds as long as none of its edges has been changed by
// another ChangeEdges since.
func (c ChangeEdges) repeated(d *draft) (Result, bool) {
	if c.Op == "" {
		return Result{}, false
	}
	var result Result
	for _, ec := range c.Edges {
		r, ok := d.Edge(ec.Name)
		if !ok || r.Op.ID != c.Op || r.Op.Session != c.Session {
			return Result{}, false
		}
		result.Revision = r.Op.Revision
		result.Edges = append(result.Edges, r)
		if l, ok := d.Lease(r.Lease); ok {
			result.Leases = append(result.Leases, l)
		}
	}
	return result, true
}

// admit checks one edge against the state before the change: the compare-and-set, who may ask, and the codec.
func (c ChangeEdges) admit(d *draft, ec EdgeChange) error {
	r, exists := d.Edge(ec.Name)
	switch t, gone := d.tombstones.get(text(ec.Name)); {
	case gone && slices.Contains(t.Made, c.Op):
		return fmt.Errorf("operation %s was carried out, and the edge deleted at revision %d: %w", c.Op, t.Revision, api.ErrConflict)
	case ec.Expect != r.Revision:
		return fmt.Errorf("revision %d, expected %d: %w", r.Revision, ec.Expect, api.ErrConflict)
	case !exists && c.Session == "":
		return fmt.Errorf("nothing to move: %w", api.ErrNotFound)
	case !exists && ec.Capacity == 0:
		return fmt.Errorf("new, without a capacity: %w", api.ErrInvalid)
	case r.Codec != "" && ec.Codec != "" && r.Codec != ec.Codec:
		return fmt.Errorf("codec %s, this side has %s: %w", r.Codec, ec.Codec, api.ErrCodec)
	}
	takes := ec.TakeProducer || ec.TakeConsumer
	owns := exists && (r.Producer.Session == c.Session || r.Consumer.Session == c.Session)
	if c.Session != "" && !takes && !owns {
		return fmt.Errorf("session %s has no role here: %w", c.Session, fence.ErrFenced)
	}
	return nil
}

// grant gives an edge its next generation, ring and holders (rules 1, 2 and 4).
func (c ChangeEdges) grant(d *draft, ec EdgeChange, actor Session, e Entry) (Record, Lease, error) {
	was, exists := d.edges.get(text(ec.Name))
	if !exists {
		was = &Record{Name: ec.Name}
	}
	n, _ := d.Node(ec.Node)
	r := *was
	r.Generation = d.nextGeneration(ec.Name)
	r.Lease, r.Node, r.Spare = ec.Lease, ec.Node, nil
	if ec.Capacity != 0 {
		r.Capacity = ec.Capacity
	}
	if r.Codec == "" {
		r.Codec = ec.Codec
	}
	if ec.TakeProducer {
		r.Producer = api.Side{Stage: shared(ec.ProducerStage, actor.Stage, was.Producer.Stage), Session: actor.ID, Node: actor.Node, Epoch: r.Generation}
	}
	if ec.TakeConsumer {
		r.Consumer = api.Side{Stage: shared(ec.ConsumerStage, actor.Stage, was.Consumer.Stage), Session: actor.ID, Node: actor.Node, Epoch: r.Generation}
	}
	if _, ok := d.Lease(ec.Lease); ok {
		return Record{}, Lease{}, fmt.Errorf("lease %s was used before: %w", ec.Lease, api.ErrInvalid)
	}
	if err := d.checkRoom(ec.Lease, lease.KindMemory, ec.Node, d.RingBytes(r.Capacity)); err != nil {
		return Record{}, Lease{}, err
	}
	r.Node = n.ID
	l := Lease{
		ID: ec.Lease, Kind: lease.KindMemory, Node: n.ID, Incarnation: n.Incarnation, Bytes: r.Capacity, TTL: c.TTL,
		Edge: r.Name, Epoch: r.Generation, Granted: e.Proposed,
	}
	d.addLease(l)
	r.Op = Op{ID: c.Op, Session: actor.ID, Revision: d.now}
	if !exists {
		r.Made = d.madeBy(ec.Name, c.Op)
		r = d.noted(r, e, api.ReasonCreated, actor.ID, c.Detail)
		d.putRecord(nil, r)
		return r, l, nil
	}
	r = d.noted(r, e, c.Reason, actor.ID, c.Detail)
	d.putRecord(was, r)
	return r, l, nil
}

// madeBy returns what makes an edge that does not exist, after what has made it before.
func (d *draft) madeBy(edge, op string) []string {
	if op == "" || d.Level() < 2 {
		return nil
	}
	var made []string
	if t, ok := d.tombstones.get(text(edge)); ok {
		made = t.Made[max(0, len(t.Made)-MadeMax+1):]
	}
	return append(slices.Clip(made), op)
}

func (c DeleteEdge) apply(d *draft, e Entry) (Result, error) {
	if err := checkText("op ID", c.Op, idMax); err != nil {
		return Result{}, err
	}
	r, ok := d.Edge(c.Name)
	if t, gone := d.tombstones.get(text(c.Name)); gone && c.Op != "" && t.Op == c.Op {
		return Result{Revision: t.Revision}, nil // the same command again
	}
	if !ok {
		return Result{}, fmt.Errorf("edge %q: %w", c.Name, api.ErrNotFound)
	}
	if c.Expect != r.Revision {
		return Result{}, fmt.Errorf("edge %s: revision %d, expected %d: %w", c.Name, r.Revision, c.Expect, api.ErrConflict)
	}
	ended := d.releaseRings(r, nil)
	d.bury(r, c.Op, e)
	return Result{Ended: ended}, nil
}

// releaseRings ends the leases of an edge's ring and spare, as far as they are active, and adds them to ended.
func (d *draft) releaseRings(r Record, ended []Ended) []Ended {
	if l, ok := d.Lease(r.Lease); ok {
		ended = append(ended, d.endLease(l, lease.Released))
	}
	if r.armed() {
		l, _ := d.Lease(r.Spare.Lease) // as long as it is armed
		ended = append(ended, d.endLease(l, lease.Released))
	}
	return ended
}
