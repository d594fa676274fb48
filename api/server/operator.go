package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/membership"
	"github.com/grafnode/grafnode/registry"
	"github.com/grafnode/grafnode/registry/state"
)

// listServers shows the Raft group.
func (s *Server) listServers(current *state.State, q *query, w http.ResponseWriter, _ *http.Request) error {
	if err := q.check(); err != nil {
		return err
	}
	servers, err := s.servers(current)
	if err != nil {
		return err
	}
	stats := s.c.Registry.Stats()
	return answer(w, api.Raft{
		Cluster: current.Cluster(), Leader: stats.Leader.ID, Term: stats.Term, Index: stats.LastIndex, Servers: servers,
	})
}

// servers returns the members of the Raft group with what the registry and gossip know of them.
func (s *Server) servers(current *state.State) ([]api.RaftServer, error) {
	members, err := s.c.Group.Members()
	if err != nil {
		return nil, err
	}
	last := s.c.Registry.Stats().LastIndex
	seen := map[locator.NodeID]membership.Member{}
	for _, m := range s.c.Gossip.Members() {
		seen[m.ID] = m
	}
	servers := make([]api.RaftServer, 0, len(members))
	for _, m := range members {
		n, _ := current.Node(m.ID) // none: it has not registered yet
		shown := api.RaftServer{
			ID: m.ID, Name: n.Name, Address: m.Address, Voter: m.Voter, Leader: m.Leader, LastContact: m.LastContact,
			Index: m.Matched, Gossip: cmp.Or(string(seen[m.ID].Health), "unknown"), Level: seen[m.ID].Level, Version: n.Version,
		}
		if m.Matched > 0 {
			shown.Lag = last - min(m.Matched, last)
		}
		servers = append(servers, shown)
	}
	return servers, nil
}

// removeServer takes a member out of the group, which must be gone unless force is set: one that lives is taken in again at once, and
// is more likely a slip. It does not ask whether that leaves enough of them: an operator who removes the second of three dead
// nodes knows why. Raft itself needs a majority of what there is to agree.
func (s *Server) removeServer(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	force := q.flag("force")
	if err := q.check(); err != nil {
		return err
	}
	id := locator.NodeID(r.PathValue("id"))
	if err := checkID("node ID", string(id)); err != nil {
		return err
	}
	if why, err := s.lives(id); err != nil {
		return err
	} else if why != "" && !force && id != s.c.Node { // which says itself why not
		return api.Errorf(api.KindConflict, "node %s is running (%s): stop it first, or it is taken in again; with force it is removed all the same", id, why)
	}
	if err := s.c.Group.RemoveServer(r.Context(), id); err != nil {
		return err
	}
	s.c.Logger.Warn("an operator has removed a member of the Raft group", "node", id, "force", force, "asked_from", r.RemoteAddr)
	return s.done(w)
}

// lives returns what shows that a member is not gone; empty if nothing does.
func (s *Server) lives(id locator.NodeID) (why string, err error) {
	members, err := s.servers(s.c.Registry.State())
	if err != nil {
		return "", err
	}
	for _, m := range members {
		switch {
		case m.ID != id:
		case m.LastContact >= 0 && m.LastContact < contactMax:
			return fmt.Sprintf("it answered its leader %v ago", m.LastContact.Round(time.Millisecond)), nil
		case m.Gossip == string(membership.Alive):
			return "gossip says alive", nil
		}
	}
	return "", nil
}

// transfer hands leadership on and answers when somebody else has it.
func (s *Server) transfer(w http.ResponseWriter, r *http.Request) error {
	var want api.TransferRequest
	if err := decode(r, &want); err != nil {
		return err
	}
	if want.To != "" {
		if err := checkID("node ID", string(want.To)); err != nil {
			return err
		}
	}
	if want.To == s.c.Node {
		return answer(w, api.TransferResponse{From: s.c.Node, To: s.c.Node}) // it leads, or it would not be asked
	}
	if err := s.c.Group.Transfer(r.Context(), want.To); err != nil {
		return err
	}
	to, err := s.nextLeader(r.Context())
	if err != nil {
		return err
	}
	return answer(w, api.TransferResponse{From: s.c.Node, To: to.ID})
}

// nextLeader waits until another node is known to lead.
func (s *Server) nextLeader(ctx context.Context) (registry.Peer, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		if leader, ok := s.c.Registry.Leader(); ok && leader.ID != s.c.Node {
			return leader, nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return registry.Peer{}, api.Errorf(api.KindUnknown, "leadership was given up, and nobody is known to have it yet")
		}
	}
}

const (
	snapshotPath = "/v1/operator/snapshot"
	// snapshotMax bounds a snapshot that is to be restored, in bytes.
	snapshotMax = 8 << 30
	// snapshotsMax bounds how many snapshots are on their way out at once: each reads the state of its moment, and keeps it.
	snapshotsMax = 2
)

// saveSnapshot streams a snapshot of what is committed. What goes wrong after the first byte cuts the stream off, which its
// reader notices: both the answer's and the snapshot's own end are missing.
func (s *Server) saveSnapshot(w http.ResponseWriter, r *http.Request) error {
	if err := queryOf(r).check(); err != nil {
		return err
	}
	select {
	case s.saving <- struct{}{}:
		defer func() { <-s.saving }()
	default:
		return api.Errorf(api.KindOverloaded, "%d snapshots are being read already", snapshotsMax)
	}
	if err := s.catchUp(r.Context()); err != nil {
		return err
	}
	s.setHeaders(w, s.c.Registry.State())
	w.Header().Set("Content-Type", "application/octet-stream")
	out := &counter{Writer: w}
	info, err := s.c.Group.SaveSnapshot(r.Context(), out)
	switch {
	case err == nil:
		s.c.Logger.Info("snapshot read by an operator", "revision", info.Revision, "bytes", out.n)
		return nil
	case out.n == 0:
		return err
	default:
		s.c.Logger.Warn("snapshot was cut off", "bytes", out.n, "error", err)
		panic(http.ErrAbortHandler) // how net/http is told to cut a connection off
	}
}

// counter counts what is written.
type counter struct {
	io.Writer
	n int64
}

// Write writes; of nothing it makes no beginning.
func (c *counter) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := c.Writer.Write(b)
	c.n += int64(n)
	return n, err
}

// restoreSnapshot replaces the registry. The registry takes nothing over before it has read all of it and found it whole.
func (s *Server) restoreSnapshot(w http.ResponseWriter, r *http.Request) error {
	q := queryOf(r)
	force := q.flag("force")
	if err := q.check(); err != nil {
		return err
	}
	if r.ContentLength > snapshotMax {
		return api.Errorf(api.KindTooLarge, "a snapshot of %d bytes, at most %d", r.ContentLength, int64(snapshotMax))
	}
	if !s.restoring.TryLock() {
		return api.Errorf(api.KindOverloaded, "another snapshot is being restored")
	}
	defer s.restoring.Unlock()
	if err := s.c.Group.RestoreSnapshot(r.Context(), r.Body, force); err != nil {
		if wrong := bodyError(err); wrong != nil && !errors.Is(err, api.ErrUnknown) {
			return wrong
		}
		if errors.Is(err, api.ErrCorrupt) {
			return api.Errorf(api.KindInvalid, "not restored: %v", err) // what came is damaged, not what is stored here
		}
		return err
	}
	current := s.c.Registry.State()
	s.c.Logger.Warn("an operator has restored a snapshot", "revision", current.Revision(), "asked_from", r.RemoteAddr)
	s.setHeaders(w, current)
	return answer(w, api.RestoreResponse{Cluster: current.Cluster(), Revision: current.Revision()})
}
