package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
	r.running.Go(r.stand)
	return nil
}

// stand has this node stand for election without waiting for a leader to be silent: nobody but it knows of the group yet, or it is the only
// one to vote. If that fails it stands when Raft's time has come.
func (r *Registry) stand() {
	if err := r.transport.Stand(); err != nil {
		r.log.Debug("no election at once", "error", err)
	}
}

// alone reports whether nobody but this node votes.
func (r *Registry) alone() bool {
	voters := r.view().Voters
	return len(voters) == 1 && voters[0].ID == raft.ServerID(r.cfg.NodeID)
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

// Member is a server of the group as its leader sees it.
type Member struct {
	Server
	Leader bool
	// Matched is the index up to which its log is certainly the leader's; zero: not known in this term yet.
	Matched uint64
	// LastContact is how long ago it last answered this leader; negative: not in this term yet. Zero for the leader itself.
	LastContact time.Duration
}

// Members returns the group with what the leader knows of each. On another node Matched and LastContact say nothing.
func (r *Registry) Members() ([]Member, error) {
	servers, err := r.Servers()
	if err != nil {
		return nil, err
	}
	leader, _ := r.Leader()
	term := r.readyTerm()
	members := make([]Member, len(servers))
	for i, s := range servers {
		m := Member{Server: s, Leader: s.ID == leader.ID, LastContact: -1}
		p := r.transport.Progress(raft.ServerID(s.ID))
		switch {
		case s.ID == r.cfg.NodeID:
			m.Matched = r.raft.LastIndex()
			if m.Leader {
				m.LastContact = 0
			}
		case term != 0 && p.Term == term:
			m.Matched, m.LastContact = p.Matched, time.Since(p.Contact)
		}
		members[i] = m
	}
	return members, nil
}

// AddNonvoter takes p into the group: it gets the log, and does not count. If p is in it already, its address is corrected, and
// it goes on counting if it did. Leader only; errors as for Apply.
func (r *Registry) AddNonvoter(ctx context.Context, p Peer) error {
	return r.change(ctx, verbTakeIn, p.ID, func(now raft.ConfigurationFuture, timeout time.Duration) raft.IndexFuture {
		return r.raft.AddNonvoter(raft.ServerID(p.ID), raft.ServerAddress(p.Address), now.Index(), timeout)
	})
}

// Promote makes a member count. It does not ask whether the member has caught up: see Members. api.ErrNotFound if there is no
// such member; else as for Apply.
func (r *Registry) Promote(ctx context.Context, id locator.NodeID) error {
	return r.change(ctx, verbPromote, id, func(now raft.ConfigurationFuture, timeout time.Duration) raft.IndexFuture {
		s := server(now.Configuration(), id)
		return r.raft.AddVoter(s.ID, s.Address, now.Index(), timeout)
	})
}

// RemoveServer takes a member out of the group. Leader only; a leader cannot take itself out: transfer first, and ask the
// new one. api.ErrNotFound if there is no such member; else as for Apply.
func (r *Registry) RemoveServer(ctx context.Context, id locator.NodeID) error {
	if id == r.cfg.NodeID && r.readyTerm() != 0 {
		return api.Errorf(api.KindConflict, "node %s leads: hand leadership on first (operator raft transfer-leader)", id)
	}
	return r.change(ctx, verbRemove, id, func(now raft.ConfigurationFuture, timeout time.Duration) raft.IndexFuture {
		return r.raft.RemoveServer(server(now.Configuration(), id).ID, now.Index(), timeout)
	})
}

// server returns the server with that ID; the zero one if there is none.
func server(c raft.Configuration, id locator.NodeID) raft.Server {
	for _, s := range c.Servers {
		if s.ID == raft.ServerID(id) {
			return s
		}
	}
	return raft.Server{}
}

// change makes one change of the group. They take turns here, and each is made only if the group is still the one that it was
// made for, so that no two changes are ever under way at once.
func (r *Registry) change(ctx context.Context, verb string, id locator.NodeID,
	begin func(now raft.ConfigurationFuture, timeout time.Duration) raft.IndexFuture) error {
	if r.readyTerm() == 0 {
		return r.errNotLeader()
	}
	select {
	case r.changing <- struct{}{}:
		defer func() { <-r.changing }()
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w: %w", verb, id, api.ErrNoQuorum, context.Cause(ctx))
	}
	now := r.raft.GetConfiguration()
	if err := now.Error(); err != nil {
		return fmt.Errorf("%s %s: %w: %w", verb, id, api.ErrNoQuorum, err)
	}
	if verb != verbTakeIn && server(now.Configuration(), id).ID == "" {
		return fmt.Errorf("%s %s: no such member: %w", verb, id, api.ErrNotFound)
	}
	if err := r.await(ctx, begin(now, r.enqueueTimeout(ctx))); err != nil {
		return fmt.Errorf("%s %s: %w", verb, id, r.outcome(err))
	}
	return nil
}

// The changes of a group.
const (
	verbTakeIn  = "take in"
	verbPromote = "promote"
	verbRemove  = "remove"
)

// Transfer hands leadership to a voter, as before a planned stop: to the named one, or else to the one whose log is the most
// complete of those that have answered lately. It returns when that one has been told to stand for election.
func (r *Registry) Transfer(ctx context.Context, to locator.NodeID) error {
	members, err := r.Members()
	if err != nil {
		return err
	}
	if r.readyTerm() == 0 {
		return r.errNotLeader()
	}
	m, err := heir(members, to, 3*r.cfg.Heartbeat)
	if err != nil {
		return err
	}
	r.transfer.over() // what an earlier one refused is no sign that this one does not end
	r.log.Info("handing leadership on", "to", m.ID, "matched", m.Matched, "last_contact", m.LastContact)
	if err := r.await(ctx, r.raft.LeadershipTransferToServer(raft.ServerID(m.ID), raft.ServerAddress(m.Address))); err != nil {
		return fmt.Errorf("transfer leadership to %s: %w: %w", m.ID, api.ErrUnavailable, err)
	}
	return nil
}

// heir returns the voter that leadership is to go to: the one with that ID, or the most complete of those that have answered
// within the limit, of those the one heard of last.
func heir(members []Member, id locator.NodeID, limit time.Duration) (Member, error) {
	var best Member
	for _, m := range members {
		switch {
		case id != "" && m.ID == id && m.Leader:
			return Member{}, api.Errorf(api.KindConflict, "node %s leads already", id)
		case id != "" && m.ID == id && !m.Voter:
			return Member{}, api.Errorf(api.KindConflict, "node %s does not vote yet: wait until it has caught up (operator health --wait)", id)
		case id != "" && m.ID == id:
			return m, nil
		case id != "" || m.Leader || !m.Voter || m.LastContact < 0 || m.LastContact > limit:
		case best.ID == "" || m.Matched > best.Matched || m.Matched == best.Matched && m.LastContact < best.LastContact:
			best = m
		}
	}
	switch {
	case id != "":
		return Member{}, fmt.Errorf("%s is no member: %w", id, api.ErrNotFound)
	case best.ID == "":
		return Member{}, fmt.Errorf("no other voter has answered within %v: %w", limit, api.ErrUnavailable)
	}
	return best, nil
}

// LastContact returns how long ago this node last heard of a leader: how stale a stale read can be. Zero on the leader.
func (r *Registry) LastContact() time.Duration { return r.silence() }

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
		LastContact: r.silence(), Disk: r.store.Writes(), Failover: r.transport.Failover(),
		Waiting: int(r.admission.waiting.Load()), Refused: r.admission.refused.Load(),
	}
	s.Leader, _ = r.Leader()
	voters, _ := r.voters() // none while shutting down
	s.Voters = len(voters)
	return s
}
