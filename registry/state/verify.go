package state

import (
	"fmt"
	"hash/crc32"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/lease"
)

// Verify reports the first thing in s that no command could have made. It is run over every snapshot that is read, and by
// the tests after every command.
func (s *State) Verify() error {
	for _, check := range []func() error{s.verifySessions, s.verifyLeases, s.verifyEdges, s.verifyRest} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", api.ErrCorrupt, err)
		}
	}
	return nil
}

func (s *State) verifySessions() error {
	for v := range s.Sessions() {
		if _, ok := s.Node(v.Node); !ok {
			return fmt.Errorf("session %s is on unknown node %q", v.ID, v.Node)
		}
		if len(v.Rules) == 0 {
			continue
		}
		if s.Level() < 5 {
			return fmt.Errorf("session %s has rules at level %d", v.ID, s.Level())
		}
		if err := v.Rules.Check(); err != nil {
			return fmt.Errorf("session %s: %w", v.ID, err)
		}
	}
	return nil
}

// Each lease is on a known node; a ring's or spare's is the one that its record points at; another's holder is live.
func (s *State) verifyLeases() error {
	for l := range s.Leases() {
		if _, ok := s.Node(l.Node); !ok {
			return fmt.Errorf("lease %s is on unknown node %q", l.ID, l.Node)
		}
		if l.Edge != "" {
			r, ok := s.Edge(l.Edge)
			ring := r.Lease == l.ID && r.Generation == l.Epoch && r.Node == l.Node
			spare := r.spare().Lease == l.ID && r.spare().Generation == l.Epoch && r.spare().Node == l.Node
			if !ok || ring == spare || l.Kind != lease.KindMemory {
				return fmt.Errorf("lease %s is not the ring of edge %s, nor its spare", l.ID, l.Edge)
			}
		} else if _, live := s.Session(l.Session); !live && (l.Kind != lease.KindBlock || l.Session != "") {
			return fmt.Errorf("lease %s is held by session %q, which is over", l.ID, l.Session)
		}
		if s.ended.get(string(l.ID)) != nil {
			return fmt.Errorf("lease %s is active and ended", l.ID)
		}
	}
	return nil
}

// No record is newer than the state or than its own generation, and its holders are live.
func (s *State) verifyEdges() error {
	for r := range s.Edges("") {
		switch n := r.past.size(); {
		case r.Revision == 0 || r.Revision > s.revision:
			return fmt.Errorf("edge %s has revision %d, the state %d", r.Name, r.Revision, s.revision)
		case len(r.Made) > MadeMax:
			return fmt.Errorf("edge %s remembers %d beginnings", r.Name, len(r.Made))
		case r.Generation >= numberMax:
			return fmt.Errorf("edge %s has generation %d", r.Name, r.Generation)
		case r.Generation.IsZero() || r.Producer.Epoch > r.Generation || r.Consumer.Epoch > r.Generation:
			return fmt.Errorf("edge %s: epochs %d and %d at generation %d", r.Name, r.Producer.Epoch, r.Consumer.Epoch, r.Generation)
		case n == 0 || r.past.newest().Revision != r.Revision:
			return fmt.Errorf("edge %s: %d changes do not end at revision %d", r.Name, n, r.Revision)
		}
		if _, ok := s.Node(r.Node); !ok && (r.Node != "" || r.Lease != "" || s.Level() == 1) {
			return fmt.Errorf("edge %s is on unknown node %q", r.Name, r.Node)
		}
		if err := s.verifySpare(r); err != nil {
			return fmt.Errorf("edge %s: %w", r.Name, err)
		}
		for _, side := range []api.Side{r.Producer, r.Consumer} {
			if _, live := s.Session(side.Session); !side.Free() && !live {
				return fmt.Errorf("edge %s: role of session %s, which is over", r.Name, side.Session)
			}
		}
	}
	return nil
}

// A spare has a lease of its own on another node than the ring, and belongs to the roles as they are.
func (s *State) verifySpare(r Record) error {
	is := r.spare()
	_, active := s.Lease(is.Lease)
	switch {
	case r.Spare == nil:
		return nil
	case is.Planned && (s.Level() < 4 || is.Lease == ""):
		return fmt.Errorf("a planned move to %q at level %d", is.Lease, s.Level())
	case s.Level() < 3 || is.Generation.IsZero() || is.Generation >= numberMax:
		return fmt.Errorf("spare of generation %d at level %d", is.Generation, s.Level())
	case is.Lease == "" && (is.Node != "" || is.Producer != 0 || is.Consumer != 0):
		return fmt.Errorf("no spare, on node %s for epochs %d and %d", is.Node, is.Producer, is.Consumer)
	case is.Lease == "":
		return nil
	case !active || is.Node == r.Node && !is.Planned || is.Generation <= r.Generation:
		return fmt.Errorf("spare %d on node %s beside ring %d on node %s; its lease is active: %t", is.Generation, is.Node, r.Generation, r.Node, active)
	case is.Producer != r.Producer.Epoch || is.Consumer != r.Consumer.Epoch:
		return fmt.Errorf("spare of epochs %d and %d, the roles are at %d and %d", is.Producer, is.Consumer, r.Producer.Epoch, r.Consumer.Epoch)
	}
	return nil
}

func (s *State) verifyRest() error {
	for _, t := range s.tombstones.all() {
		if t.Revision == 0 || t.Revision > s.revision || t.Top.IsZero() || t.Top >= numberMax || len(t.Made) > MadeMax {
			return fmt.Errorf("tombstone of edge %s: generation %d, revision %d", t.Name, t.Top, t.Revision)
		}
	}
	for _, c := range s.checkpoints.all() {
		if sum := crc32.Checksum(c.Value, castagnoli); c.Sum != sum {
			return fmt.Errorf("checkpoint %s: checksum %08x, computed %08x", c.Key, c.Sum, sum)
		}
	}
	for _, e := range s.ended.all() {
		if e.Seq == 0 || e.Seq > s.endings {
			return fmt.Errorf("end %d of %s, of %d", e.Seq, e.ID, s.endings)
		}
	}
	last := new(ended)
	for e := range s.by.ends.all() {
		if e.Seq <= last.Seq {
			return fmt.Errorf("%s and %s are both the end %d", last.ID, e.ID, e.Seq)
		}
		last = e
	}
	if s.base > s.revision || s.revision >= numberMax || s.floor >= numberMax || s.base != 0 && s.Level() == 1 {
		return fmt.Errorf("revision %d on base %d at level %d, generations above %d", s.revision, s.base, s.Level(), s.floor)
	}
	if n := s.tokens.size(); n > TokensMax || n > 0 && s.Level() < 5 {
		return fmt.Errorf("%d tokens at level %d", n, s.Level())
	}
	if s.ended.size() > EndedMax || s.forgotten > s.revision {
		return fmt.Errorf("%d ends, forgotten up to revision %d", s.ended.size(), s.forgotten)
	}
	return nil
}
