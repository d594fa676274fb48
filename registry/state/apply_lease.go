package state

import (
	"fmt"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fence"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

func (c GrantLease) apply(d *draft, e Entry) (Result, error) {
	if err := c.check(d); err != nil {
		return Result{}, fmt.Errorf("lease %s: %w", c.Lease, err)
	}
	if was, ok := d.Lease(c.Lease); ok {
		if was.Session != c.Session {
			return Result{}, fmt.Errorf("lease %s exists: %w", c.Lease, api.ErrConflict)
		}
		return Result{Leases: []Lease{was}}, nil // the same command again
	}
	if was, ok := d.Region(c.Name); ok && c.Name != "" {
		return c.succeed(d, was, e)
	}
	if err := d.checkRoom(c.Lease, c.Kind, c.Node, c.Bytes); err != nil {
		return Result{}, err
	}
	n, _ := d.Node(c.Node)
	l := Lease{
		ID: c.Lease, Kind: c.Kind, Node: c.Node, Incarnation: n.Incarnation, Bytes: c.Bytes, TTL: c.TTL, Session: c.Session,
		Name: c.Name, Epoch: fence.Epoch(d.now), Granted: e.Proposed,
	}
	d.addLease(l)
	return Result{Leases: []Lease{l}}, nil
}

func (c GrantLease) check(d *draft) error {
	if err := CheckID("lease ID", c.Lease); err != nil {
		return err
	}
	if c.Kind != lease.KindMemory && c.Kind != lease.KindBlock {
		return fmt.Errorf("kind %q, must be %q or %q: %w", c.Kind, lease.KindMemory, lease.KindBlock, api.ErrInvalid)
	}
	if c.Name != "" {
		if err := api.CheckEdgeName(c.Name); err != nil {
			return fmt.Errorf("region: %w: %w", err, api.ErrInvalid)
		}
		if c.Kind != lease.KindBlock {
			return fmt.Errorf("only block regions have names: %w", api.ErrInvalid)
		}
	}
	if c.Bytes == 0 {
		return fmt.Errorf("no size: %w", api.ErrInvalid)
	}
	if err := lease.CheckTTL(c.TTL); err != nil {
		return fmt.Errorf("%w: %w", err, api.ErrInvalid)
	}
	_, err := d.liveSession(c.Session)
	return err
}

// succeed hands a named block region to the next holder. Its epoch is the command's revision, which is above every earlier
// one's, so the holder before is fenced where it writes.
func (c GrantLease) succeed(d *draft, was Lease, e Entry) (Result, error) {
	if c.Bytes > was.Bytes {
		return Result{}, fmt.Errorf("block region %s has %d bytes, %d asked for; release it first: %w",
			c.Name, was.Bytes, c.Bytes, api.ErrConflict)
	}
	l := was
	l.Session, l.Epoch = c.Session, fence.Epoch(d.now)
	if d.Level() > 1 {
		if was.Session == c.Session && was.Asked == c.Lease {
			return Result{Leases: []Lease{was}}, nil // the same command again
		}
		l.Asked = c.Lease
	}
	d.replaceLease(was, l)
	return Result{Leases: []Lease{l}}, nil
}

func (c ReleaseLease) apply(d *draft, _ Entry) (Result, error) {
	if d.endedAs(c.Lease, lease.Released) {
		return Result{}, nil
	}
	l, err := d.activeLease(c.Lease)
	if err != nil {
		return Result{}, err
	}
	if l.Edge != "" {
		return Result{}, fmt.Errorf("lease %s is edge %s's ring: change or delete the edge: %w", l.ID, l.Edge, api.ErrInvalid)
	}
	if l.Session != c.Session {
		return Result{}, fmt.Errorf("lease %s is held by session %q, not %q: %w", l.ID, l.Session, c.Session, fence.ErrFenced)
	}
	return Result{Ended: []Ended{d.endLease(l, lease.Released)}}, nil
}

func (c RevokeLease) apply(d *draft, e Entry) (Result, error) {
	if d.endedAs(c.Lease, lease.Revoked) {
		return Result{}, nil
	}
	l, err := d.activeLease(c.Lease)
	if err != nil {
		return Result{}, err
	}
	return Result{Ended: []Ended{d.loseLease(l, lease.Revoked, api.ReasonRevoked, c.Detail, e)}}, nil
}

func (c AdoptLease) apply(d *draft, e Entry) (Result, error) {
	was, err := d.activeLease(c.Lease)
	if err != nil {
		return Result{}, err
	}
	if was.Node != c.Node {
		return Result{}, fmt.Errorf("lease %s is on node %s, not %s: %w", was.ID, was.Node, c.Node, api.ErrInvalid)
	}
	if err := d.checkIncarnation(c.Node, c.Incarnation); err != nil {
		return Result{}, fmt.Errorf("lease %s: %w", was.ID, err)
	}
	if was.Incarnation == c.Incarnation {
		return Result{Leases: []Lease{was}}, nil // the same command again
	}
	l := was
	l.Incarnation = c.Incarnation
	d.replaceLease(was, l)
	if r, ok := d.Edge(l.Edge); ok && r.Lease == l.ID {
		d.putRecord(&r, d.noted(r, e, api.ReasonRecovered, "", ""))
	}
	return Result{Leases: []Lease{l}}, nil
}

func (c Allowance) apply(d *draft, e Entry) (Result, error) {
	if err := checkTerm(c.Term, e); err != nil {
		return Result{}, err
	}
	var result Result
	for _, mark := range c.Leases {
		if l, ok := d.Lease(mark.ID); ok && l.Seq == mark.Seq {
			l.Seq++
			d.leases.put(d.edit, text(l.ID), &l) // no index and no watch looks at Seq
			result.Leases = append(result.Leases, l)
		}
	}
	for _, mark := range c.Sessions {
		if s, ok := d.Session(mark.ID); ok && s.Seq == mark.Seq {
			s.Seq++
			d.sessions.put(d.edit, text(s.ID), &s) // no index and no watch looks at Seq
			result.Sessions = append(result.Sessions, s)
		}
	}
	return result, nil
}

func (c Expire) apply(d *draft, e Entry) (Result, error) {
	if planted.DeposedExpiry {
		c = c.whatever(d, e)
	}
	if err := checkTerm(c.Term, e); err != nil {
		return Result{}, err
	}
	var result Result
	for _, mark := range c.Leases {
		if l, ok := d.Lease(mark.ID); ok && l.Seq == mark.Seq {
			result.Ended = append(result.Ended, d.loseLease(l, lease.Expired, api.ReasonExpired, "", e))
		}
	}
	for _, mark := range c.Sessions {
		if s, ok := d.Session(mark.ID); ok && s.Seq == mark.Seq {
			result.Ended = append(result.Ended, d.endSession(s, lease.Expired, e)...)
		}
	}
	return result, nil
}

// endedAs reports whether a lease has ended already as a command asks for. The command then changes nothing.
func (s *State) endedAs(id lease.ID, status lease.Status) bool {
	e := s.ended.get(string(id))
	return e != nil && e.Status == status && !s.leases.has(text(id))
}

// whatever is planted: c as it would be if it had been decided now.
func (c Expire) whatever(d *draft, e Entry) Expire {
	c.Term, c.Leases = e.Term, slices.Clone(c.Leases)
	for i, mark := range c.Leases {
		l, _ := d.Lease(mark.ID)
		c.Leases[i].Seq = l.Seq
	}
	return c
}

// checkTerm refuses what a deposed leader decided: its clock no longer counts.
func checkTerm(proposed uint64, e Entry) error {
	if proposed != e.Term {
		return fmt.Errorf("decided in term %d, logged in term %d: %w", proposed, e.Term, api.ErrConflict)
	}
	return nil
}

// activeLease returns a lease, or how it ended.
func (s *State) activeLease(id lease.ID) (Lease, error) {
	if l, ok := s.Lease(id); ok {
		return l, nil
	}
	if status, ok := s.Ended(string(id)); ok {
		return Lease{}, fmt.Errorf("lease %s: %w", id, status.Err())
	}
	return Lease{}, fmt.Errorf("lease %q: %w", id, api.ErrNotFound)
}

// checkIncarnation refuses what an earlier run of a node proposes.
func (s *State) checkIncarnation(id locator.NodeID, incarnation uint64) error {
	n, ok := s.Node(id)
	if !ok {
		return fmt.Errorf("node %q is not registered: %w", id, api.ErrNotFound)
	}
	if incarnation != n.Incarnation {
		return fmt.Errorf("node %s: incarnation %d, now %d: %w", id, incarnation, n.Incarnation, fence.ErrFenced)
	}
	return nil
}

// checkRoom refuses a new lease whose ID was used before or whose node has no room for it. Block storage is not counted.
func (s *State) checkRoom(id lease.ID, k lease.Kind, node locator.NodeID, bytes uint64) error {
	if _, ok := s.Ended(string(id)); ok {
		return fmt.Errorf("lease %s was used before: %w", id, api.ErrInvalid)
	}
	n, ok := s.Node(node)
	if !ok {
		return fmt.Errorf("lease %s: node %q is not registered: %w", id, node, api.ErrNoRoom)
	}
	if n.Closed() {
		// The proposer looked before that was so. What is asked again finds another place.
		return fmt.Errorf("lease %s: node %s takes nothing new: %w", id, node, api.ErrConflict)
	}
	leased := s.Leased(node)
	if k == lease.KindMemory && (leased > n.Memory || bytes > n.Memory-leased) {
		return fmt.Errorf("lease %s: node %s has %d of %d bytes lent, %d more wanted: %w",
			id, node, leased, n.Memory, bytes, api.ErrNoRoom)
	}
	return nil
}
