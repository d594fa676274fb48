package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
)

// Server is a member of the Raft group.
type Server struct {
	Peer
	Voter bool
}

// HasState reports whether this node has ever been part of a group. Such a node must never be used to found another.
func (r *Registry) HasState() (bool, error) {
	if r.store == nil {
		return false, ErrClosed
	}
	return raft.HasExistingState(r.store, r.store, r.snapshots)
}

// Bootstrap founds a group of the given peers. Each of them may do so, with the same list. It is refused on a node that has
// state.
func (r *Registry) Bootstrap(peers []Peer) error {
	sorted := slices.SortedFunc(slices.Values(peers), func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	var c raft.Configuration
	for _, p := range sorted {
		c.Servers = append(c.Servers, raft.Server{
			Suffrage: raft.Voter, ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Address),
		})
	}
	if err := r.raft.BootstrapCluster(c).Error(); errors.Is(err, raft.ErrCantBootstrap) {
		return fmt.Errorf("this node is part of a cluster already: %w", api.ErrConflict)
	} else if err != nil {
		return fmt.Errorf("registry: found a group: %w", err)
	}
	return nil
}

// Leader returns the leader that this node knows of.
func (r *Registry) Leader() (Peer, bool) {
	address, id := r.raft.LeaderWithID()
	return Peer{ID: locator.NodeID(id), Address: string(address)}, id != ""
}

// Term returns Raft's current term on this node.
func (r *Registry) Term() uint64 { return r.raft.CurrentTerm() }

// Servers returns the group as this node knows it.
func (r *Registry) Servers() ([]Server, error) {
	all, err := r.configuration()
	var servers []Server
	for _, s := range all {
		servers = append(servers, Server{
			Peer: Peer{ID: locator.NodeID(s.ID), Address: string(s.Address)}, Voter: s.Suffrage == raft.Voter,
		})
	}
	return servers, err
}

// configuration returns the newest configuration in the log, committed or not: that is the one by which Raft counts.
func (r *Registry) configuration() ([]raft.Server, error) {
	future := r.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return future.Configuration().Servers, nil
}

func (r *Registry) voters() ([]raft.Server, error) {
	all, err := r.configuration()
	return slices.DeleteFunc(slices.Clone(all), func(s raft.Server) bool { return s.Suffrage != raft.Voter }), err
}

// AddVoter makes p a voting member, or gives a member a new address. Leader only. Errors as for Apply.
func (r *Registry) AddVoter(ctx context.Context, p Peer) error {
	if r.readyTerm() == 0 {
		return r.errNotLeader()
	}
	future := r.raft.AddVoter(raft.ServerID(p.ID), raft.ServerAddress(p.Address), 0, r.enqueueTimeout(ctx))
	if err := r.await(ctx, future); err != nil {
		return fmt.Errorf("add %s: %w", p.ID, r.outcome(err))
	}
	return nil
}

// RemoveServer takes a member out of the group. Leader only; a leader cannot take itself out: transfer first, and ask the
// new one. Errors as for Apply.
func (r *Registry) RemoveServer(ctx context.Context, id locator.NodeID) error {
	if r.readyTerm() == 0 {
		return r.errNotLeader()
	}
	if id == r.cfg.NodeID {
		return fmt.Errorf("%s leads: transfer leadership first: %w", id, api.ErrConflict)
	}
	future := r.raft.RemoveServer(raft.ServerID(id), 0, r.enqueueTimeout(ctx))
	if err := r.await(ctx, future); err != nil {
		return fmt.Errorf("remove %s: %w", id, r.outcome(err))
	}
	return nil
}

// Transfer hands leadership to the member whose log is the most complete, as before a planned stop.
func (r *Registry) Transfer(ctx context.Context) error {
	if err := r.await(ctx, r.raft.LeadershipTransfer()); err != nil {
		return fmt.Errorf("transfer leadership: %w: %w", api.ErrUnavailable, err)
	}
	return nil
}

// Snapshot writes a snapshot now, and drops the log entries that it makes needless. Raft does so by itself too.
func (r *Registry) Snapshot(ctx context.Context) error {
	err := r.await(ctx, r.raft.Snapshot())
	if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return fmt.Errorf("registry: snapshot: %w", err)
	}
	return nil
}

// Stats returns Raft's own numbers.
func (r *Registry) Stats() Stats {
	v := r.hub.view.Load()
	s := Stats{
		State: strings.ToLower(r.raft.State().String()), Ready: r.readyTerm() != 0, Term: r.raft.CurrentTerm(),
		LastIndex: r.raft.LastIndex(), CommitIndex: r.raft.CommitIndex(), Applied: v.applied, Revision: v.state.Revision(),
		LastContact: r.silence(), Disk: r.store.Writes(),
	}
	s.Leader, _ = r.Leader()
	voters, _ := r.voters() // none while shutting down
	s.Voters = len(voters)
	return s
}
