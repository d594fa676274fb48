package registry

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/registry/state"
)

// machine is the state machine as raft drives it. Raft calls all its methods from one goroutine, except a snapshot's
// Persist, which runs beside them on an immutable state.
type machine struct {
	hub     *hub
	logger  *slog.Logger
	fatal   func(error)
	applied func(index, term uint64, c state.Command, r state.Result)
	fresh   func(*state.State)
	told    func(index, term uint64)

	state  *state.State
	index  uint64 // last applied, also of entries without a command
	broken error  // set once an entry could not be applied; nothing is applied afterwards
}

// Apply is for raft versions without batches.
func (m *machine) Apply(log *raft.Log) any { return m.ApplyBatch([]*raft.Log{log})[0] }

// ApplyBatch applies committed entries and publishes the state after the last.
func (m *machine) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	entries := make([]state.Entry, len(logs))
	if last := logs[len(logs)-1]; m.broken == nil {
		m.told(last.Index, last.Term) // committed is what followers wait for; they apply while this node does
	}
	run := m.state.Begin()
	for i, log := range logs {
		if log.Type == raft.LogCommand {
			answers[i] = m.step(run, log, &entries[i])
		}
		if m.broken == nil {
			m.index = log.Index
		}
	}
	m.state = run.State()
	m.hub.publish(m.state, m.index)
	for i, e := range entries {
		if e.Command != nil {
			m.applied(e.Index, e.Term, e.Command, answers[i].(state.Result))
		}
	}
	return answers
}

func (m *machine) step(run *state.Run, log *raft.Log, e *state.Entry) state.Result {
	if m.broken != nil {
		return state.Result{Term: log.Term, Err: m.refusal()}
	}
	c, proposed, err := state.Decode(log.Data)
	if err != nil {
		m.broken = fmt.Errorf("log entry %d of term %d cannot be applied, this node stops: %w", log.Index, log.Term, err)
		m.fatal(m.broken)
		return state.Result{Term: log.Term, Err: m.refusal()}
	}
	*e = state.Entry{Index: log.Index, Term: log.Term, Proposed: proposed, Command: c}
	r, changes := run.Step(*e)
	m.hub.log.Append(run.Revision(), changes...)
	return r
}

// refusal answers for entries after the broken one. They are committed, so nobody may think that they were not.
func (m *machine) refusal() error { return fmt.Errorf("%w: %w", api.ErrUnknown, m.broken) }

// Snapshot returns the present state; it costs nothing.
func (m *machine) Snapshot() (raft.FSMSnapshot, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	return snapshot{m.state}, nil
}

// Restore replaces the state by a snapshot.
func (m *machine) Restore(r io.ReadCloser) error {
	defer r.Close()
	s, err := state.Read(r)
	if err != nil {
		return err
	}
	if was := m.state.Cluster(); was != "" && s.Cluster() != was {
		return fmt.Errorf("snapshot is of cluster %s, this node belongs to %s: %w", s.Cluster(), was, api.ErrInvalid)
	}
	m.state, m.index = s, s.Index()
	m.logger.Info("state restored from a snapshot", "revision", s.Revision())
	m.hub.log.Reset(s.Revision())
	m.hub.publish(s, m.index)
	m.fresh(s)
	return nil
}

type snapshot struct{ state *state.State }

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if err := s.state.Write(sink); err != nil {
		_ = sink.Cancel() // the first error counts
		return err
	}
	return sink.Close()
}

func (snapshot) Release() {}
