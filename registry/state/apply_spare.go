package state

import (
	"fmt"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/lease"
)

func (c ChangeSpare) apply(d *draft, e Entry) (Result, error) {
	if err := c.check(); err != nil {
		return Result{}, fmt.Errorf("spare of edge %q: %w", c.Edge, err)
	}
	was, err := c.admit(d)
	if err != nil {
		return Result{}, fmt.Errorf("spare of edge %s: %w", c.Edge, err)
	}
	if op := was.spare().Op; c.Op != "" && op.ID == c.Op && op.Session == c.Session {
		return c.again(d, was), nil
	}
	r := was
	if c.Confirm != 0 {
		r, err = c.confirm(was)
	} else {
		err = c.mayArm(d, was)
	}
	if err != nil {
		return Result{}, fmt.Errorf("spare of edge %s: %w", c.Edge, err)
	}
	return c.put(d, was, r, e)
}

// check looks at what does not depend on the state.
func (c ChangeSpare) check() error {
	switch {
	case c.Confirm == 0 && !c.Arm:
		return fmt.Errorf("neither confirmed nor armed: %w", api.ErrInvalid)
	case c.Planned && (c.Confirm != 0 || !c.Arm):
		return fmt.Errorf("a planned move is armed, and by itself: %w", api.ErrInvalid)
	}
	if err := api.CheckEdgeName(c.Edge); err != nil {
		return fmt.Errorf("%w: %w", err, api.ErrInvalid)
	}
	if err := checkText("op ID", c.Op, idMax); err != nil {
		return err
	}
	if err := checkText("reason", string(c.Reason), idMax); err != nil {
		return err
	}
	if !c.places() {
		return nil
	}
	if err := lease.CheckTTL(c.TTL); err != nil {
		return fmt.Errorf("%w: %w", err, api.ErrInvalid)
	}
	return CheckID("lease ID", c.Lease)
}

// places reports whether c has a place for another spare. Beside a confirmation it need not.
func (c ChangeSpare) places() bool { return c.Arm && (c.Lease != "" || c.Confirm == 0) }

// admit returns the record, if the session is its producer. A planned move the consumer may ask for too, and the cluster itself.
func (c ChangeSpare) admit(d *draft) (Record, error) {
	own := c.Planned && c.Session == ""
	if !own {
		if _, err := d.liveSession(c.Session); err != nil {
			return Record{}, err
		}
	}
	r, ok := d.Edge(c.Edge)
	switch {
	case !ok:
		return Record{}, fmt.Errorf("no such edge: %w", api.ErrNotFound)
	case own, c.Planned && r.Consumer.Session == c.Session:
	case r.Producer.Session != c.Session:
		return Record{}, fmt.Errorf("session %s is not the producer, which is %q under epoch %d: %w",
			c.Session, r.Producer.Session, r.Producer.Epoch, fence.ErrFenced)
	}
	return r, nil
}

// again is the first answer of a command that was applied, as far as it still is one.
func (c ChangeSpare) again(d *draft, r Record) Result {
	result := Result{Revision: r.Spare.Op.Revision, Edges: []Record{r}}
	if l, ok := d.Lease(r.Spare.Lease); ok {
		result.Leases = []Lease{l}
	}
	return result
}

// confirm makes the spare the ring (rule 15).
func (c ChangeSpare) confirm(r Record) (Record, error) {
	s := r.spare()
	if s.Lease == "" || s.Generation != c.Confirm || s.Producer != r.Producer.Epoch || c.Confirm <= r.Generation {
		return r, fmt.Errorf("generation %d, spare %d of producer %d; the move to %d cannot be confirmed: %w",
			r.Generation, s.Generation, s.Producer, c.Confirm, api.ErrConflict)
	}
	r.Generation, r.Lease, r.Node = s.Generation, s.Lease, s.Node
	return r, nil
}

// mayArm is the compare-and-set of arming alone (rule 13).
func (c ChangeSpare) mayArm(d *draft, r Record) error {
	switch _, lives := d.Lease(r.Lease); {
	case c.Expect != r.Revision:
		return fmt.Errorf("revision %d, expected %d: %w", r.Revision, c.Expect, api.ErrConflict)
	case r.Producer.Free():
		return fmt.Errorf("the edge has no producer: %w", api.ErrConflict)
	case r.Consumer.Free():
		return fmt.Errorf("the edge has no consumer: %w", api.ErrConflict)
	case !lives:
		return fmt.Errorf("generation %d has no ring any more, and needs one before a spare: %w", r.Generation, api.ErrConflict)
	}
	return nil
}

// put ends what r does not have any more, arms another spare if it can, and stores r. Room that is wanting refuses only what asks for
// nothing else.
func (c ChangeSpare) put(d *draft, was, r Record, e Entry) (Result, error) {
	var result Result
	for _, id := range []lease.ID{was.Lease, was.spare().Lease} {
		if l, ok := d.Lease(id); ok && id != r.Lease {
			result.Ended = append(result.Ended, d.endLease(l, lease.Released))
		}
	}
	next := Spare{Generation: was.top(), Op: Op{ID: c.Op, Session: c.Session, Revision: d.now}}
	if c.places() && !r.Consumer.Free() {
		l, err := c.lease(d, r, e)
		switch {
		case err == nil:
			d.addLease(l)
			next.Generation, next.Lease, next.Node = l.Epoch, l.ID, l.Node
			next.Producer, next.Consumer = r.Producer.Epoch, r.Consumer.Epoch
			next.Planned = c.Planned
			result.Leases = []Lease{l}
		case c.Confirm == 0:
			return Result{}, fmt.Errorf("spare of edge %s: %w", c.Edge, err)
		}
	}
	r.Spare = &next
	r = d.noted(r, e, c.Reason, c.Session, c.Detail)
	d.putRecord(&was, r)
	result.Edges = []Record{r}
	return result, nil
}

// lease returns the lease of r's next spare.
func (c ChangeSpare) lease(d *draft, r Record, e Entry) (Lease, error) {
	if c.Node == r.Node && !c.Planned {
		return Lease{}, fmt.Errorf("node %s has the ring: %w", c.Node, api.ErrInvalid)
	}
	if _, ok := d.Lease(c.Lease); ok {
		return Lease{}, fmt.Errorf("lease %s was used before: %w", c.Lease, api.ErrInvalid)
	}
	if err := d.checkRoom(c.Lease, lease.KindMemory, c.Node, d.RingBytes(r.Capacity)); err != nil {
		return Lease{}, err
	}
	n, _ := d.Node(c.Node)
	return Lease{
		ID: c.Lease, Kind: lease.KindMemory, Node: n.ID, Incarnation: n.Incarnation, Bytes: r.Capacity, TTL: c.TTL,
		Edge: r.Name, Epoch: d.nextGeneration(r.Name), Granted: e.Proposed,
	}, nil
}

// spare returns what r knows of spares, which may be nothing.
func (r *Record) spare() Spare {
	if r.Spare == nil {
		return Spare{}
	}
	return *r.Spare
}

// top returns the highest generation that was granted on r's edge.
func (r *Record) top() fence.Epoch {
	if r.Spare == nil || planted.ReusedSpare && !r.armed() {
		return r.Generation
	}
	return max(r.Generation, r.Spare.Generation)
}

// armed reports whether r's edge has a spare.
func (r *Record) armed() bool { return r.Spare != nil && r.Spare.Lease != "" }

// spareless returns r with its spare given up: its generation is remembered, and never granted again.
func (r Record) spareless() Record {
	if r.armed() {
		r.Spare = &Spare{Generation: r.Spare.Generation, Op: r.Spare.Op}
	}
	return r
}
