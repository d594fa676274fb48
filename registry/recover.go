package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/atomicfile"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

// RecoverConfig is what Recover needs to know.
type RecoverConfig struct {
	NodeID   locator.NodeID
	Address  string // IP:port at which peers will reach this node
	DataDir  string // as in Config
	LogStore string // likewise
	// Bind is told the cluster's new ID before the recovery counts as done. When it fails, running Recover again goes on there.
	Bind   func(cluster string) error
	Logger *slog.Logger

	// interrupt lets tests stop a recovery between two steps.
	interrupt func(step string) error
}

// RecoverReport says what a recovery has kept, and who was left out.
type RecoverReport struct {
	Was     string // the cluster's ID before
	Cluster string // and from now on
	// Index and Term are of the last log entry that this node had. What the lost majority committed beyond it is gone; what only
	// this node had is in, though nobody may have been told so.
	Index    uint64
	Term     uint64
	Revision api.Revision // of the new state: above every one of the old cluster
	Level    uint64
	Edges    int
	Leases   int
	Sessions int
	Nodes    int
	// Left are the other members of the old group. They must be wiped before they are started again, and join as new nodes.
	Left    []Peer
	Resumed bool // an earlier attempt was cut short, and has been finished
}

// Recover makes the group of this one node out of what it has on its disk: for when a majority is lost for good, while this node's agent is
// stopped. All epochs and revisions jump, since the lost majority may have granted some that this node never heard of, and the
// cluster gets a new ID, so that members of the old one, should they come back, are strangers to it.
//
// It is safe to kill: as long as it has not returned, the node does not start, and running Recover again finishes it.
func Recover(c RecoverConfig) (RecoverReport, error) {
	report, err := c.recover()
	if err != nil {
		return RecoverReport{}, fmt.Errorf("registry: recover: %w", err)
	}
	return report, nil
}

func (c RecoverConfig) recover() (report RecoverReport, err error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.interrupt == nil {
		c.interrupt = func(string) error { return nil }
	}
	if _, err := os.Stat(filepath.Join(c.DataDir, "raft")); err != nil {
		return report, fmt.Errorf("no registry to recover: %w", err)
	}
	f, err := openFiles(c.DataDir, c.LogStore, recoverStall, func(error) {}, c.Logger)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, f.store.Close()) }()
	return (&recovery{RecoverConfig: c, files: f}).run()
}

// recovery is one attempt.
type recovery struct {
	RecoverConfig
	files
	machine reviver
}

func (r *recovery) run() (RecoverReport, error) {
	// One peer says where everybody is: Recover writes a configuration, and is not on the network.
	_, nowhere := raft.NewInmemTransport(raft.ServerAddress(r.Address))
	conf := Config{NodeID: r.NodeID}.withDefaults().raft()
	conf.Logger = raftguard.Logger(r.Logger)
	path := filepath.Join(r.DataDir, fileRecovering)
	mark, resumed, err := readMark[recoverMark](path)
	if err != nil {
		return RecoverReport{}, err
	}
	if !resumed {
		if mark.Left, err = r.others(*conf, nowhere); err != nil {
			return RecoverReport{}, err
		}
	}
	r.machine = reviver{state: NewState(), revive: func(s *State) (*State, error) { return r.revive(s, &mark, path) }}
	alone := raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(r.NodeID), Address: raft.ServerAddress(r.Address)},
	}}
	if err := raft.RecoverCluster(conf, &r.machine, interrupted{r.store, r.interrupt}, r.store, r.snapshots, nowhere, alone); err != nil {
		return RecoverReport{}, errors.Join(r.machine.broken, err)
	}
	report, err := r.report(mark)
	report.Resumed = resumed
	for _, step := range []func() error{
		func() error { return err },
		func() error { return r.interrupt("bind") },
		func() error { return r.Bind(mark.Cluster) },
		func() error { return r.interrupt("finish") },
		func() error { return atomicfile.Remove(filepath.Join(r.DataDir, fileRestoring)) }, // what was restored is in
		func() error { return atomicfile.Remove(path) },
	} {
		if err := step(); err != nil {
			return RecoverReport{}, err
		}
	}
	return report, nil
}

// others returns the group's other members, by the newest configuration on the disk.
func (r *recovery) others(conf raft.Config, nowhere raft.Transport) (left []Peer, err error) {
	c, err := raft.GetConfiguration(&conf, &reviver{state: NewState()}, r.store, r.store, r.snapshots, nowhere)
	if err != nil {
		return nil, err
	}
	for _, s := range c.Servers {
		if s.ID != raft.ServerID(r.NodeID) {
			left = append(left, Peer{ID: locator.NodeID(s.ID), Address: string(s.Address)})
		}
	}
	return left, nil
}

// revive returns the state that the new group begins with, after it has been noted for good that there will be one. Until its
// snapshot is on the disk a next attempt comes here with the old state and does the same; afterwards, with the new one.
func (r *recovery) revive(s *State, mark *recoverMark, path string) (*State, error) {
	switch s.Cluster() {
	case "":
		return nil, fmt.Errorf("this node has never heard of a cluster: nothing to recover: %w", api.ErrNotFound)
	case mark.Cluster:
		return s, nil
	}
	if mark.Was != "" && mark.Was != s.Cluster() {
		return nil, fmt.Errorf("a recovery of cluster %s was begun here, the state is of %s: %w", mark.Was, s.Cluster(), api.ErrCorrupt)
	}
	next := s.Recovered()
	mark.Was, mark.Cluster = s.Cluster(), next.Cluster()
	if err := r.interrupt("mark"); err != nil {
		return nil, err
	}
	if err := writeMark(path, *mark); err != nil {
		return nil, err
	}
	return next, r.interrupt("snapshot")
}

func (r *recovery) report(mark recoverMark) (RecoverReport, error) {
	list, err := r.snapshots.List()
	if err != nil || len(list) == 0 {
		return RecoverReport{}, errors.Join(errors.New("the new snapshot is not there"), err)
	}
	s := r.machine.revived
	report := RecoverReport{
		Was: mark.Was, Cluster: mark.Cluster, Index: list[0].Index, Term: list[0].Term, Revision: s.Revision(), Level: s.Level(), Left: mark.Left,
	}
	report.Edges, report.Leases, report.Sessions, report.Nodes = s.Counts()
	return report, nil
}

// recoverMark stands in DataDir from before the first thing that a recovery changes until after the last.
type recoverMark struct {
	Was     string `json:"was"`
	Cluster string `json:"cluster"`
	Left    []Peer `json:"left"`
}

const (
	fileRecovering = "recovering.json"
	fileRestoring  = "restoring.json"
	// recoverStall bounds nothing: no leader waits for this disk. Errors end a recovery all the same.
	recoverStall = 1 << 40
)

// errUnfinished says that an agent must not start on a directory.
var errUnfinished = errors.New("a recovery was begun here and not finished: run `grafnode operator raft recover` again")

func readMark[M any](path string) (mark M, there bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return mark, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &mark)
	}
	if err != nil {
		return mark, false, fmt.Errorf("%s: %w", path, err)
	}
	return mark, true, nil
}

func writeMark[M any](path string, mark M) error {
	b, err := json.Marshal(mark)
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(b, '\n'))
}

// reviver is the state machine in a recovery: it goes where the disk leads, and hands out what revive makes of that.
type reviver struct {
	state   *State
	revive  func(*State) (*State, error)
	revived *State
	broken  error
}

// Apply applies an entry. Entries that nobody knows to be committed are among them: they may have been.
func (m *reviver) Apply(log *raft.Log) any {
	if m.broken != nil {
		return nil
	}
	c, proposed, err := decodeCommand(log.Data)
	if err != nil {
		m.broken = fmt.Errorf("log entry %d of term %d: %w", log.Index, log.Term, err)
		return nil
	}
	m.state, _ = m.state.Step(Entry{Index: log.Index, Term: log.Term, Proposed: proposed, Command: c})
	return nil
}

// Restore reads a snapshot of the old group's.
func (m *reviver) Restore(r io.ReadCloser) error {
	s, err := ReadState(r)
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
