package raftguard

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
)

var (
	// ErrDisk says that a write to Raft's disk failed or hung. Terminal for the process: after a failed fsync nobody knows
	// what is on the disk, and trying again would only pretend to know.
	ErrDisk = errors.New("raft disk failed")
	// ErrCorrupt says that a log entry was not read as it was written.
	ErrCorrupt = errors.New("raft log is corrupt")
	// ErrClosed says that the store is closed.
	ErrClosed = errors.New("raft's store is closed")
)

// StoreConfig says where and how.
type StoreConfig struct {
	Dir   string // made if it is missing
	Kind  Kind
	Stall time.Duration // how long a write may take
	// Fatal is called, at most once and from any goroutine, when a write fails or takes too long, an entry is not read as it was
	// written, or the log would get a gap. It should end the process. Every write afterwards returns the same error.
	Fatal  func(error)
	Logger *slog.Logger // nil: slog.Default()
}

// Store is Raft's log, its snapshots and its vote. Every write is on the disk when it returns, every entry that is read is what was
// written, and the first failure is the last thing that happens.
type Store struct {
	watchdog
	kind   Kind
	stable *raftboltdb.BoltStore
	logs   logStore // stable, or the WAL

	snapshots *raft.FileSnapshotStore
}

type logStore interface {
	raft.LogStore
	Close() error
}

// OpenStore opens the store in c.Dir, or makes one. If the log is of another kind than wanted it is moved first.
func OpenStore(c StoreConfig) (*Store, error) {
	if err := c.Kind.Validate(); err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if err := makeDir(c.Dir); err != nil {
		return nil, err
	}
	bolt, err := openBolt(filepath.Join(c.Dir, fileBolt))
	if err != nil {
		return nil, err
	}
	m := mover{dir: c.Dir, bolt: bolt, logger: c.Logger, segment: segmentSize, vfs: diskFS, step: func(string) {}}
	kind, logs, err := m.open(c.Kind)
	if err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	s := &Store{watchdog: watchdog{path: c.Dir, stall: c.Stall, fatal: c.Fatal}, kind: kind, stable: bolt, logs: logs}
	if s.snapshots, err = raft.NewFileSnapshotStoreWithLogger(c.Dir, snapshotsKept, Logger(c.Logger)); err == nil {
		err = s.dropCovered()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// snapshotsKept is how many snapshots there are on the disk: an older one, should the newest be damaged.
const snapshotsKept = 2

// Kind returns how the log is stored.
func (s *Store) Kind() Kind { return s.kind }

// Close closes the files.
func (s *Store) Close() error {
	if s.kind == KindBolt {
		return s.stable.Close()
	}
	return errors.Join(s.logs.Close(), s.stable.Close())
}

// IsMonotonic makes raft clear the whole log when it installs a snapshot, rather than leave a gap behind entries that may not
// be the cluster's (hashicorp/raft#697); see DeleteRange.
func (s *Store) IsMonotonic() bool { return true }

// StoreLog stores one entry.
func (s *Store) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs stores entries, all or none. Entries that would leave a gap end the process.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	if err := s.joins(logs); err != nil {
		return s.fail(err)
	}
	return s.write("storing log entries", func() error { return s.logs.StoreLogs(sealed(logs)) })
}

// GetLog reads the entry at index into log. A damaged one ends the process: raft would take any other answer for the truth.
func (s *Store) GetLog(index uint64, log *raft.Log) error {
	entry, err := readEntry(s.logs, index)
	switch {
	case err == nil:
		*log = entry
		return nil
	case errors.Is(err, raft.ErrLogNotFound):
		return raft.ErrLogNotFound // raft looks for it by identity
	case isClosed(err):
		return ErrClosed
	}
	return s.fail(s.damaged(err))
}

func (s *Store) damaged(err error) error {
	return fmt.Errorf("%s: %w; the disk has lost what this node promised to keep: wipe its data directory and let it join as a "+
		"new node", s.path, err)
}

// verifyLog reads the entries above index, all that there are and those up to must.
func (s *Store) verifyLog(index, must uint64) error {
	first, last, err := s.bounds()
	if err != nil {
		return err
	}
	from := max(first, 1)
	if index > 0 {
		from = index + 1 // a log that does not go on from its snapshot is no better than one with a hole
	}
	for i := from; i <= max(last, must); i++ {
		if _, err := readEntry(s.logs, i); errors.Is(err, raft.ErrLogNotFound) {
			return s.damaged(fmt.Errorf("entry %d is missing, the log is from %d to %d: %w", i, first, last, ErrCorrupt))
		} else if err != nil {
			return s.damaged(err)
		}
	}
	return nil
}

// FirstIndex returns the first entry's index, zero if there is none.
func (s *Store) FirstIndex() (uint64, error) { return s.logs.FirstIndex() }

// LastIndex returns the last entry's index, zero if there is none.
func (s *Store) LastIndex() (uint64, error) { return s.logs.LastIndex() }

// DeleteRange deletes the entries from lowest to highest. To delete what follows on the newest snapshot, together with its
// last entry, ends the process: before, if that was promised, else afterwards, for Raft would take no entry any more (hashicorp/raft#697).
func (s *Store) DeleteRange(lowest, highest uint64) error {
	outgrown, err := s.outgrows(lowest, highest)
	if err != nil {
		return s.fail(err)
	}
	err = s.write("deleting log entries", func() error { return s.logs.DeleteRange(lowest, highest) })
	if err == nil && outgrown {
		err = s.fail(fmt.Errorf("%s: %w: entries %d to %d are deleted, which Raft knows only after a start: start the node again",
			s.path, ErrForeign, lowest, highest))
	}
	return err
}

// Set stores a value, such as raft's vote.
func (s *Store) Set(key, value []byte) error {
	return s.write("storing a value", func() error { return s.stable.Set(key, value) })
}

// SetUint64 stores a number, such as raft's term.
func (s *Store) SetUint64(key []byte, value uint64) error {
	return s.write("storing a number", func() error { return s.stable.SetUint64(key, value) })
}

// Get returns a value. Raft knows the error for an unknown key by its text, so errors are passed as they are.
func (s *Store) Get(key []byte) ([]byte, error) { return s.stable.Get(key) }

// GetUint64 returns a number.
func (s *Store) GetUint64(key []byte) (uint64, error) { return s.stable.GetUint64(key) }
