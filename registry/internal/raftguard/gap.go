package raftguard

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// Raft keeps the end of its log in memory, and does not look at the log when it appends to it. When it takes a snapshot it clears the
// log and leaves what it keeps in memory as it was (installSnapshot); if the log went on beyond the snapshot, the next entry that it
// stores leaves a gap, and what was in the gap had been promised to a leader. The sieve keeps such snapshots from it. What is here
// makes any other way to a gap harmless: the node stops and nothing is written, so that a start finds a whole log.
var (
	// ErrGap says that Raft wanted to store entries that do not go on from those before.
	ErrGap = errors.New("raft's log would have a gap")
	// ErrPromised says that Raft wanted to throw away entries that follow on the newest snapshot: a leader counts on them.
	ErrPromised = errors.New("raft would throw entries away that it has promised to keep")
	// ErrForeign says that Raft has thrown away entries that were not the cluster's, and goes on as if it had them.
	ErrForeign = errors.New("raft's log had entries that are not the cluster's")
)

const startAgain = "nothing was written: start the node again; should it stop here once more, wipe its data directory and let it join as a new node"

// joins returns nil if entries can be stored without a gap: each goes on from the one before, and the first from the log or, if that is
// empty, from the newest snapshot. Where they overlap what is there, they may.
func (s *Store) joins(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	low, high := entries[0].Index, entries[len(entries)-1].Index
	for i, e := range entries {
		if e.Index != low+uint64(i) {
			return fmt.Errorf("%s: %w: entry %d comes after %d; %s", s.path, ErrGap, e.Index, entries[i-1].Index, startAgain)
		}
	}
	first, last, err := s.bounds()
	if err != nil {
		return err
	}
	if last != 0 {
		if low > last+1 || high+1 < first {
			return fmt.Errorf("%s: %w: entries %d to %d were to be stored, the log is from %d to %d; %s",
				s.path, ErrGap, low, high, first, last, startAgain)
		}
		return nil
	}
	newest, err := s.newest()
	if err == nil && low > newest.Index+1 {
		err = fmt.Errorf("%s: %w: entry %d was to be stored, the log is empty and the newest snapshot ends with %d; %s",
			s.path, ErrGap, low, newest.Index, startAgain)
	}
	return err
}

// outgrows reports whether the range has where the newest snapshot ends, and what follows in this log. Raft drops what is behind a
// snapshot, or what comes after the last entry that it has in common with its leader, and a snapshot ends with one of those: so it is
// installing one now. If the log's entry there is the snapshot's, what follows was promised.
func (s *Store) outgrows(lowest, highest uint64) (outgrown bool, err error) {
	newest, err := s.newest()
	if err != nil || newest.Index < lowest || newest.Index >= highest {
		return false, err
	}
	_, last, err := s.bounds()
	if err != nil || newest.Index >= last {
		return false, err
	}
	entry, err := readEntry(s.logs, newest.Index)
	if err == nil && entry.Term == newest.Term {
		return true, fmt.Errorf("%s: %w: entries %d to %d were to be deleted, the newest snapshot ends with %d; %s",
			s.path, ErrPromised, lowest, highest, newest.Index, startAgain)
	}
	return true, nil // what follows is not the cluster's, or nobody can say any more
}

// dropCovered empties a log that ends before the newest snapshot does, as Raft does when it takes one from its leader. It does that
// after the snapshot is on the disk, and not at its next start if it was killed in between: then the entry behind the snapshot
// would leave a gap.
func (s *Store) dropCovered() error {
	first, last, err := s.bounds()
	if err != nil || last == 0 {
		return err
	}
	newest, err := s.newest()
	if err != nil || newest.Index <= last || s.intact(newest.ID) != nil {
		return err // if it is damaged, Verify says what is to be done
	}
	return s.logs.DeleteRange(first, last)
}

// bounds returns the first and the last entry's index, zero if there is none.
func (s *Store) bounds() (first, last uint64, err error) {
	if first, err = s.logs.FirstIndex(); err == nil {
		last, err = s.logs.LastIndex()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w: %w", s.path, ErrDisk, err)
	}
	return first, last, err
}
