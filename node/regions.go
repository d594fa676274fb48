package node

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node/blocks"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// regions keeps the node's block regions in line with their leases. Regions outlive the process: a lease of an earlier
// incarnation is adopted if its region is still there.
type regions struct {
	self        locator.NodeID
	incarnation uint64
	registry    *registry.Registry
	leader      *leaderLine
	store       *blocks.Store
	log         *slog.Logger
}

// reconcile creates, adopts and removes what the state says. It does nothing until the state includes this incarnation's own
// registration: before, a lease may be missing merely because its entry has not been applied yet, and a region removed then would
// be lost for good. It returns false if something failed that may succeed later.
func (r *regions) reconcile(ctx context.Context) (settled bool) {
	current := r.registry.State()
	if n, _ := current.Node(r.self); n.Incarnation != r.incarnation {
		return true // the change of state that brings it will call again
	}
	settled = true
	have := r.store.IDs()
	leased := map[lease.ID]bool{}
	for l := range current.LeasesOn(r.self) {
		if l.Kind != lease.KindBlock {
			continue
		}
		leased[l.ID] = true
		if err := r.follow(ctx, l, slices.Contains(have, l.ID)); err != nil {
			r.log.Warn("block region does not follow its lease", "lease", l.ID, "name", l.Name, "error", err)
			settled = false
		}
	}
	for _, id := range have {
		if leased[id] {
			continue
		}
		if err := r.store.Remove(id); err != nil {
			r.log.Warn("block region of an ended lease is left behind", "lease", id, "error", err)
		}
	}
	return settled
}

var errRegionLost = errors.New("its file is gone from the data directory; the lease is left to expire")

func (r *regions) follow(ctx context.Context, l state.Lease, here bool) error {
	switch {
	case l.Incarnation == r.incarnation && !here:
		return r.store.Create(l.ID, l.Bytes)
	case l.Incarnation == r.incarnation:
		return nil
	case !here:
		return errRegionLost
	}
	return r.leader.AdoptLease(ctx, l.ID, api.AdoptRequest{Node: r.self, Incarnation: r.incarnation, Generation: l.Epoch})
}

// renewable returns the leases outside edges that are to be renewed: those that somebody holds. A region whose holder is gone
// waits a term for a successor.
func (r *regions) renewable() []lease.ID {
	var ids []lease.ID
	for l := range r.registry.State().LeasesOn(r.self) {
		if l.Edge == "" && l.Incarnation == r.incarnation && l.Session != "" {
			ids = append(ids, l.ID)
		}
	}
	return ids
}
