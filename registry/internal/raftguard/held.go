package raftguard

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// Snapshots returns the store of the snapshots that go with the log.
func (s *Store) Snapshots() *raft.FileSnapshotStore { return s.snapshots }

// newest returns where the newest snapshot ends; zero if there is none.
func (s *Store) newest() (raft.SnapshotMeta, error) {
	list, err := s.snapshots.List()
	if err != nil {
		return raft.SnapshotMeta{}, fmt.Errorf("%s: %w: %w", s.path, ErrDisk, err)
	}
	if len(list) == 0 {
		return raft.SnapshotMeta{}, nil
	}
	return *list[0], nil
}

// Holds reports whether this node has the entry at index, of term, and all before: in its log, or in a snapshot.
func (s *Store) Holds(index, term uint64) bool {
	var entry raft.Log
	if s.GetLog(index, &entry) == nil {
		return entry.Term == term
	}
	newest, err := s.newest()
	return err == nil && newest.Index >= index && newest.Term >= term
}

// Compacted returns where the newest snapshot ends if the log does not have the entry at index any more, but begins further up.
func (s *Store) Compacted(index uint64) (end, term uint64, ok bool) {
	first, _, err := s.bounds()
	if err != nil || first <= index {
		return 0, 0, false
	}
	newest, err := s.newest()
	if err != nil || newest.Index < index || newest.Index+1 < first {
		return 0, 0, false
	}
	return newest.Index, newest.Term, true
}

// Verify reads what raft reads when it starts, the newest snapshot and the entries that follow on it, and reports the first that is
// missing or damaged. A damaged snapshot is passed over, as raft does, but only if the log goes on from an older one.
func (s *Store) Verify() error {
	list, err := s.snapshots.List()
	if err != nil {
		return err
	}
	var after, must uint64
	var damaged error
	for i, meta := range list {
		must = max(must, meta.Index)
		if err := s.intact(meta.ID); err == nil {
			after, damaged = meta.Index, nil
			break
		} else if i == 0 {
			damaged = err
		}
	}
	if damaged != nil {
		return s.damaged(fmt.Errorf("no snapshot can be read: %w: %w", ErrCorrupt, damaged))
	}
	return s.verifyLog(after, must)
}

// intact reads a snapshot; opening one compares its checksum.
func (s *Store) intact(id string) error {
	_, r, err := s.snapshots.Open(id)
	if err == nil {
		err = r.Close()
	}
	return err
}
