package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/atomicfile"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/registry/internal/raftguard"
	"github.com/grafnode/grafnode/registry/state"
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
	return c.open((*recovery).run)
}

// SurveyRecovery says what Recover would keep and whom it would leave out, and changes nothing of what there is: to choose between
// survivors, and before an operator is sure. As for Recover, the node's agent must be stopped.
func SurveyRecovery(c RecoverConfig) (RecoverReport, error) {
	c.LogStore = LogStoreAuto // as it is: to move the log would be a change
	return c.open((*recovery).survey)
}

// open opens what there is and has do work on it.
func (c RecoverConfig) open(do func(*recovery) (RecoverReport, error)) (report RecoverReport, err error) {
	defer func() {
		if err != nil {
			report, err = RecoverReport{}, fmt.Errorf("registry: recover: %w", err)
		}
	}()
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
	return do(&recovery{RecoverConfig: c, files: f})
}

// recovery is one attempt.
type recovery struct {
	RecoverConfig
	files
	machine reviver
}

func (r *recovery) run() (RecoverReport, error) {
	path := filepath.Join(r.DataDir, fileRecovering)
	report, err := r.rewrite(func(s *state.State, mark *recoverMark) (*state.State, error) { return r.revive(s, mark, path) })
	if err != nil {
		return report, err
	}
	for _, step := range []func() error{
		func() error { return r.interrupt("bind") },
		func() error { return r.Bind(report.Cluster) },
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

// survey goes as far as the new state, which is not written.
func (r *recovery) survey() (RecoverReport, error) {
	var next *state.State
	report, err := r.rewrite(func(s *state.State, mark *recoverMark) (_ *state.State, err error) {
		if next, err = recovered(s, mark); err != nil {
			return nil, err
		}
		r.machine.revived = next
		return nil, errSurveyed
	})
	if next == nil {
		return report, err
	}
	return report, nil
}

// errSurveyed ends a survey.
var errSurveyed = errors.New("surveyed")

// rewrite replaces what is on the disk by what revive makes of it, and says what that is.
func (r *recovery) rewrite(revive func(s *state.State, mark *recoverMark) (*state.State, error)) (report RecoverReport, err error) {
	// One peer says where everybody is: Recover writes a configuration, and is not on the network.
	_, nowhere := raft.NewInmemTransport(raft.ServerAddress(r.Address))
	conf := Config{NodeID: r.NodeID}.withDefaults().raft()
	conf.Logger = raftguard.Logger(r.Logger)
	mark, resumed, err := readMark[recoverMark](filepath.Join(r.DataDir, fileRecovering))
	if err != nil {
		return report, err
	}
	if !resumed {
		if mark.Left, err = r.others(*conf, nowhere); err != nil {
			return report, err
		}
	}
	if report.Index, report.Term, err = r.last(); err != nil {
		return report, err
	}
	r.machine = reviver{state: state.New(), revive: func(s *state.State) (*state.State, error) { return revive(s, &mark) }}
	alone := raft.Configuration{Servers: []raft.Server{
		{Suffrage: raft.Voter, ID: raft.ServerID(r.NodeID), Address: raft.ServerAddress(r.Address)},
	}}
	err = raft.RecoverCluster(conf, &r.machine, interrupted{r.store, r.interrupt}, r.store, r.snapshots, nowhere, alone)
	if err != nil {
		err = errors.Join(r.machine.broken, err)
	}
	report.Was, report.Cluster, report.Left, report.Resumed = mark.Was, mark.Cluster, mark.Left, resumed
	if s := r.machine.revived; s != nil {
		report.Revision, report.Level = s.Revision(), s.Level()
		report.Edges, report.Leases, report.Sessions, report.Nodes = s.Counts()
	}
	return report, err
}

// last returns the index and the term of the last entry, in the log or, if that is empty, in the newest snapshot.
func (r *recovery) last() (index, term uint64, err error) {
	if index, err = r.store.LastIndex(); err != nil {
		return 0, 0, err
	}
	list, err := r.snapshots.List()
	if err != nil {
		return 0, 0, err
	}
	if len(list) > 0 && list[0].Index >= index {
		return list[0].Index, list[0].Term, nil
	}
	var entry raft.Log
	if index == 0 {
		return 0, 0, nil
	}
	err = r.store.GetLog(index, &entry)
	return index, entry.Term, err
}

// others returns the group's other members, by the newest configuration on the disk.
func (r *recovery) others(conf raft.Config, nowhere raft.Transport) (left []Peer, err error) {
	c, err := raft.GetConfiguration(&conf, &reviver{state: state.New()}, r.store, r.store, r.snapshots, nowhere)
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
func (r *recovery) revive(s *state.State, mark *recoverMark, path string) (*state.State, error) {
	next, err := recovered(s, mark)
	if err != nil || next == s {
		return next, err
	}
	if err := r.interrupt("mark"); err != nil {
		return nil, err
	}
	if err := writeMark(path, *mark); err != nil {
		return nil, err
	}
	return next, r.interrupt("snapshot")
}

// recovered returns the state that comes after s, which is s itself if an earlier attempt has written it, and notes it in mark.
func recovered(s *state.State, mark *recoverMark) (*state.State, error) {
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
	return next, nil
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
