package registry

import (
	"fmt"
	"io"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/registry/state"
)

// reviver is the state machine in a recovery: it goes where the disk leads, and hands out what revive makes of that.
type reviver struct {
	state   *state.State
	revive  func(*state.State) (*state.State, error)
	revived *state.State
	broken  error
}

// Apply applies an entry. Entries that nobody knows to be committed are among them: they may have been.
func (m *reviver) Apply(log *raft.Log) any {
	if m.broken != nil {
		return nil
	}
	c, proposed, err := state.Decode(log.Data)
	if err != nil {
		m.broken = fmt.Errorf("log entry %d of term %d: %w", log.Index, log.Term, err)
		return nil
	}
	m.state, _ = m.state.Step(state.Entry{Index: log.Index, Term: log.Term, Proposed: proposed, Command: c})
	return nil
}

// Restore reads a snapshot of the old group's.
func (m *reviver) Restore(r io.ReadCloser) error {
	s, err := state.Read(r)
	if err == nil {
		m.state = s
	}
	return err
}

// Snapshot returns the state of the new group.
func (m *reviver) Snapshot() (raft.FSMSnapshot, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	s, err := m.revive(m.state)
	if err != nil {
		m.broken = err // raft passes on no more than its text
		return nil, err
	}
	m.revived = s
	return snapshot{s}, nil
}

// interrupted is the log in a recovery.
type interrupted struct {
	raft.LogStore
	interrupt func(step string) error
}

// DeleteRange comes when the new snapshot is on the disk.
func (l interrupted) DeleteRange(lowest, highest uint64) error {
	if err := l.interrupt("log"); err != nil || lowest == 0 || highest < lowest {
		return err // an earlier attempt may have deleted it all
	}
	return l.LogStore.DeleteRange(lowest, highest)
}
