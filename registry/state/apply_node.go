package state

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/planted"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
)

func (c RegisterNode) apply(d *draft, _ Entry) (Result, error) {
	if err := c.check(); err != nil {
		return Result{}, fmt.Errorf("node %s: %w", c.Node, err)
	}
	was, _ := d.Node(c.Node)
	if c.Incarnation != 0 && c.Incarnation != was.Incarnation+1 {
		return Result{}, fmt.Errorf("node %s: incarnation %d comes next, not %d: %w",
			c.Node, was.Incarnation+1, c.Incarnation, api.ErrConflict)
	}
	n := Node{
		ID: c.Node, Name: c.Name, Zone: c.Zone, Address: c.Address, Incarnation: was.Incarnation + 1, Memory: c.Memory,
		Version: c.Version, Ineligible: was.Ineligible,
	}
	if was.Drain == api.DrainUntilEnabled && !planted.ForgottenDrain { // the other ends with the start
		n.Drain = was.Drain
	}
	d.putNode(n)
	return Result{Node: n}, nil
}

func (c RegisterNode) check() error {
	if err := CheckID("node ID", c.Node); err != nil {
		return err
	}
	if _, err := netip.ParseAddrPort(c.Address); err != nil {
		return fmt.Errorf("address: %w: %w", err, api.ErrInvalid)
	}
	return errors.Join(checkText("name", c.Name, textMax), checkText("zone", c.Zone, textMax),
		checkText("version", c.Version, textMax))
}

func (c DrainNode) apply(d *draft, _ Entry) (Result, error) {
	switch c.Drain {
	case api.DrainNot, api.DrainUntilEnabled, api.DrainUntilStart:
	default:
		return Result{}, fmt.Errorf("drain %q of node %s: %w", c.Drain, c.Node, api.ErrInvalid)
	}
	n, ok := d.Node(c.Node)
	if !ok {
		return Result{}, fmt.Errorf("node %q: %w", c.Node, api.ErrNotFound)
	}
	if c.Drain == api.DrainUntilStart && n.Drain == api.DrainUntilEnabled {
		return Result{Node: n}, nil // a node that goes does not undo what its operator has said
	}
	if n.Drain != c.Drain {
		n.Drain = c.Drain
		d.putNode(n)
	}
	return Result{Node: n}, nil
}

func (c SetEligibility) apply(d *draft, _ Entry) (Result, error) {
	n, ok := d.Node(c.Node)
	if !ok {
		return Result{}, fmt.Errorf("node %q: %w", c.Node, api.ErrNotFound)
	}
	if n.Ineligible != c.Ineligible {
		n.Ineligible = c.Ineligible
		d.putNode(n)
	}
	return Result{Node: n}, nil
}

func (c ResizeNode) apply(d *draft, _ Entry) (Result, error) {
	if err := d.checkIncarnation(c.Node, c.Incarnation); err != nil {
		return Result{}, err
	}
	n, _ := d.Node(c.Node) // checked
	if n.Memory != c.Memory {
		n.Memory = c.Memory
		d.putNode(n)
	}
	return Result{Node: n}, nil
}

func (c RemoveNode) apply(d *draft, e Entry) (Result, error) {
	n, ok := d.Node(c.Node)
	if !ok {
		return Result{}, fmt.Errorf("node %q: %w", c.Node, api.ErrNotFound)
	}
	bears := d.carriedBy(string(n.ID))
	if leases, sessions := bears.leases.size(), bears.sessions.size(); leases+sessions > 0 && !c.Force {
		return Result{}, fmt.Errorf("node %s has %d active leases and %d live sessions: wait for their end, or force it: %w",
			n.ID, leases, sessions, api.ErrConflict)
	}
	var result Result
	for _, s := range slices.Collect(d.SessionsOn(n.ID)) {
		result.Ended = append(result.Ended, d.endSession(s, lease.Revoked, e)...)
	}
	for _, r := range d.ringsOn(n.ID) {
		if l, ok := d.Lease(r.Lease); ok {
			result.Ended = append(result.Ended, d.endLease(l, lease.Revoked))
		}
		is := r
		is.Lease, is.Node = "", ""
		d.putRecord(&r, d.noted(is, e, api.ReasonRevoked, "", c.Detail))
	}
	for _, l := range slices.Collect(d.LeasesOn(n.ID)) { // spares, and what is no edge's
		result.Ended = append(result.Ended, d.loseLease(l, lease.Revoked, api.ReasonRevoked, c.Detail, e))
	}
	d.moved(api.RecordNode, string(n.ID), &n, nil)
	d.nodes.remove(d.edit, text(n.ID))
	return result, nil
}

// ringsOn returns the records whose ring is on a node, or was there last. There is no index for what is so seldom asked.
func (s *State) ringsOn(id locator.NodeID) (records []Record) {
	for r := range s.Edges("") {
		if r.Node == id {
			records = append(records, r)
		}
	}
	return records
}
