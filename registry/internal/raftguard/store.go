package raftguard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	// ErrDisk says that a write to Raft's disk failed or hung. Terminal for the process: after a failed fsync nobody knows
	// what is on the disk, and trying again would only pretend to know.
	ErrDisk = errors.New("raft disk failed")
	// ErrCorrupt says that a log entry was not read as it was written.
	ErrCorrupt = errors.New("raft log is corrupt")
)

// Store is Raft's log and its vote, in one bbolt file. Each entry carries a CRC32C of its own in Log.Extensions, which is added
// when an entry is written and taken away when it is read.
type Store struct {
	bolt  *raftboltdb.BoltStore
	path  string
	stall time.Duration
	fatal func(error)

	mu     sync.Mutex
	failed error
	writes WriteStats
}

// WriteStats counts writes that reached the disk.
type WriteStats struct {
	Count   uint64
	Seconds float64 // in all
	Slowest time.Duration
}

// OpenStore opens or makes the store at path. fatal is called, at most once and from any goroutine, when a write fails or takes
// longer than stall; it should end the process. Every write afterwards returns the same error.
func OpenStore(path string, stall time.Duration, fatal func(error)) (*Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout:        time.Second, // another process has the file
			NoFreelistSync: true,        // else each commit writes the whole list of free pages
			FreelistType:   bbolt.FreelistMapType,
		},
		MsgpackUseNewTimeFormat: true,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("%s is in use: is another node running on this directory?", path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Store{bolt: bolt, path: path, stall: stall, fatal: fatal}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.bolt.Close() }

// Writes returns what was written so far.
func (s *Store) Writes() WriteStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// IsMonotonic makes raft clear the whole log when it installs a snapshot, rather than leave a gap behind entries that may not
// be the cluster's (hashicorp/raft#697).
func (s *Store) IsMonotonic() bool { return true }

// StoreLog stores one entry.
func (s *Store) StoreLog(log *raft.Log) error { return s.StoreLogs([]*raft.Log{log}) }

// StoreLogs stores entries, in one transaction. They are not changed: raft keeps them in memory too.
func (s *Store) StoreLogs(logs []*raft.Log) error {
	summed := make([]*raft.Log, len(logs))
	for i, log := range logs {
		entry := *log
		entry.Extensions = binary.LittleEndian.AppendUint32(append([]byte(nil), log.Extensions...), sum(log))
		summed[i] = &entry
	}
	return s.write("storing log entries", func() error { return s.bolt.StoreLogs(summed) })
}

// GetLog reads the entry at index into log. A damaged one ends the process: raft would take any other answer for the truth.
func (s *Store) GetLog(index uint64, log *raft.Log) error {
	var entry raft.Log
	if err := s.bolt.GetLog(index, &entry); err != nil {
		return err // raft looks for raft.ErrLogNotFound by identity
	}
	n := len(entry.Extensions) - 4
	if n < 0 {
		return s.fail(fmt.Errorf("%s: entry %d has no checksum: %w", s.path, index, ErrCorrupt))
	}
	stored := binary.LittleEndian.Uint32(entry.Extensions[n:])
	entry.Extensions = entry.Extensions[:n:n]
	if n == 0 {
		entry.Extensions = nil
	}
	if got := sum(&entry); entry.Index != index || got != stored {
		return s.fail(fmt.Errorf("%s: entry %d (says %d) has checksum %08x, computed %08x: %w",
			s.path, index, entry.Index, stored, got, ErrCorrupt))
	}
	*log = entry
	return nil
}

// FirstIndex returns the first entry's index, zero if there is none.
func (s *Store) FirstIndex() (uint64, error) { return s.bolt.FirstIndex() }

// LastIndex returns the last entry's index, zero if there is none.
func (s *Store) LastIndex() (uint64, error) { return s.bolt.LastIndex() }

// DeleteRange deletes the entries from lowest to highest.
func (s *Store) DeleteRange(lowest, highest uint64) error {
	return s.write("deleting log entries", func() error { return s.bolt.DeleteRange(lowest, highest) })
}

// Set stores a value, such as raft's vote.
func (s *Store) Set(key, value []byte) error {
	return s.write("storing a value", func() error { return s.bolt.Set(key, value) })
}

// SetUint64 stores a number, such as raft's term.
func (s *Store) SetUint64(key []byte, value uint64) error {
	return s.write("storing a number", func() error { return s.bolt.SetUint64(key, value) })
}

// Get returns a value. Raft knows the error for an unknown key by its text, so errors are passed as they are.
func (s *Store) Get(key []byte) ([]byte, error) { return s.bolt.Get(key) }

// GetUint64 returns a number.
func (s *Store) GetUint64(key []byte) (uint64, error) { return s.bolt.GetUint64(key) }

// write runs one durable operation under the watchdog, unless an earlier one failed.
func (s *Store) write(what string, op func() error) error {
	s.mu.Lock()
	failed := s.failed
	s.mu.Unlock()
	if failed != nil {
		return failed
	}
	stop := s.watch(what)
	began := time.Now()
	err := faultyDisk()
	if err == nil {
		err = op()
	}
	stop()
	if err != nil {
		return s.fail(fmt.Errorf("%s: %s: %w: %w", s.path, what, ErrDisk, err))
	}
	took := time.Since(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes.Count++
	s.writes.Seconds += took.Seconds()
	s.writes.Slowest = max(s.writes.Slowest, took)
	return s.failed
}

// watch gives the store up when the operation that begins now is not over after the stall time. It takes two timers of half the
// time: a process that was stopped finds the first one due when it wakes, though the disk was never slow.
func (s *Store) watch(what string) (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	over := false
	hung := func() {
		mu.Lock()
		late := over
		mu.Unlock()
		if !late {
			_ = s.fail(fmt.Errorf("%s: %s takes longer than %v: %w", s.path, what, s.stall, ErrDisk))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(s.stall/2, func() {
		mu.Lock()
		defer mu.Unlock()
		if !over {
			timer = time.AfterFunc(s.stall/2, hung)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		timer.Stop()
	}
}

// fail latches the first error and reports it once.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	first := s.failed == nil
	if first {
		s.failed = err
	}
	err = s.failed
	s.mu.Unlock()
	if first {
		s.fatal(err)
	}
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum covers all that raft relies on: index, term, type, data, extensions. Not AppendedAt, which is for people.
func sum(log *raft.Log) uint32 {
	head := binary.LittleEndian.AppendUint64(nil, log.Index)
	head = binary.LittleEndian.AppendUint64(head, log.Term)
	head = append(head, byte(log.Type))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(log.Data)))
	c := crc32.Update(0, castagnoli, head)
	c = crc32.Update(c, castagnoli, log.Data)
	return crc32.Update(c, castagnoli, log.Extensions)
}
