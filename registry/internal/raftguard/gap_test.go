package raftguard_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

// snapshotAt puts a snapshot that ends with index on the disk, as raft does, and returns its directory.
func snapshotAt(t testing.TB, s *raftguard.Store, index, term uint64) string {
	sink, err := s.Snapshots().Create(raft.SnapshotVersionMax, index, term, raft.Configuration{}, 1, nil)
	require.NoError(t, err)
	_, err = fmt.Fprintf(sink, "state at %d", index)
	require.NoError(t, err)
	require.NoError(t, sink.Close())
	return sink.ID()
}

func span(first, last uint64) (entries []*raft.Log) {
	for i := first; i <= last; i++ {
		entries = append(entries, entry(i))
	}
	return entries
}

// Entries that do not go on from those before are not written, and nothing is afterwards.
func TestAGapIsNotWritten(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind raftguard.Kind) {
		for name, c := range map[string]struct {
			log      [2]uint64 // from, to; 0: empty
			snapshot uint64
			entries  []*raft.Log
			says     string // empty: it is written
		}{
			"a new log":                    {entries: span(1, 3)},
			"a new log, not from 1":        {entries: span(2, 3), says: "entry 2 was to be stored, the log is empty and the newest snapshot ends with 0"},
			"the next":                     {log: [2]uint64{4, 9}, entries: span(10, 10)},
			"not the next":                 {log: [2]uint64{4, 9}, entries: span(11, 12), says: "entries 11 to 12 were to be stored, the log is from 4 to 9"},
			"the log counts, not snapshot": {log: [2]uint64{4, 9}, snapshot: 9, entries: span(11, 11), says: "the log is from 4 to 9"},
			"behind a snapshot":            {snapshot: 20, entries: span(21, 22)},
			"from before its end":          {snapshot: 20, entries: span(18, 22)},
			"not behind a snapshot":        {snapshot: 20, entries: span(22, 22), says: "entry 22 was to be stored, the log is empty and the newest snapshot ends with 20"},
			"a gap between them":           {entries: append(span(1, 2), entry(4)), says: "entry 4 comes after 2"},
			"far below":                    {log: [2]uint64{4, 9}, entries: span(1, 2), says: "the log is from 4 to 9"},
			"none":                         {},
		} {
			t.Run(name, func(t *testing.T) {
				s, fatal := open(t, t.TempDir(), kind)
				if c.log[0] > 0 {
					snapshotAt(t, s, c.log[0]-1, 3)
					require.NoError(t, s.StoreLogs(span(c.log[0], c.log[1])))
				}
				if c.snapshot > 0 {
					snapshotAt(t, s, c.snapshot, 3)
				}
				err := s.StoreLogs(c.entries)
				if c.says == "" {
					require.NoError(t, err)
					require.NoError(t, s.Verify())
					return
				}
				require.ErrorIs(t, err, raftguard.ErrGap)
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, "start the node again")
				require.Equal(t, err, <-fatal)
				require.Equal(t, err, s.StoreLog(entry(c.log[1]+1)), "nothing is written any more")
				last, err := s.LastIndex()
				require.NoError(t, err)
				require.Equal(t, c.log[1], last)
			})
		}
	})
}

// bbolt, asked to, writes over what is there; raft-wal is never asked to.
func TestEntriesMayBeWrittenOver(t *testing.T) {
	s, _ := open(t, t.TempDir(), raftguard.KindBolt)
	require.NoError(t, s.StoreLogs(span(1, 9)))
	require.NoError(t, s.StoreLogs(span(5, 7)))
	require.NoError(t, s.Verify())
}

// What follows on the newest snapshot may not be deleted together with its last entry, unless it is not the cluster's; but then Raft does not know.
func TestPromisedEntriesAreKept(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind raftguard.Kind) {
		for name, c := range map[string]struct {
			term            uint64 // of the snapshot's last entry, 6; the log's is 3
			lowest, highest uint64
			ends            error
		}{
			"compaction":                           {3, 1, 4, nil},
			"compaction up to the snapshot":        {3, 1, 6, nil},
			"what the leader does not have":        {3, 7, 9, nil},
			"all, and it is the cluster's":         {3, 1, 9, raftguard.ErrPromised},
			"the snapshot's last and one more":     {3, 6, 7, raftguard.ErrPromised},
			"all, but it is not the cluster's log": {4, 1, 9, raftguard.ErrForeign},
		} {
			t.Run(name, func(t *testing.T) {
				s, fatal := open(t, t.TempDir(), kind)
				require.NoError(t, s.StoreLogs(span(1, 9)))
				snapshotAt(t, s, 6, c.term)
				err := s.DeleteRange(c.lowest, c.highest)
				require.ErrorIs(t, err, c.ends)
				if c.ends == nil {
					require.Empty(t, fatal)
					return
				}
				require.Equal(t, err, <-fatal)
				last, err := s.LastIndex()
				require.NoError(t, err)
				require.Equal(t, errors.Is(c.ends, raftguard.ErrPromised), last == 9)
			})
		}
	})
}

// A follower that is killed after it has taken a snapshot and before it has emptied its log, which ended before the snapshot does.
func TestAnInstallCutShortLeavesNoGap(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind raftguard.Kind) {
		dir := t.TempDir()
		s, _ := open(t, dir, kind)
		require.NoError(t, s.StoreLogs(span(1, 5)))
		snapshotAt(t, s, 9, 3)
		require.NoError(t, s.Close())

		s, _ = open(t, dir, kind)
		require.NoError(t, s.Verify())
		require.NoError(t, s.StoreLogs(span(10, 11)), "raft stores what comes behind the snapshot")
		require.NoError(t, s.Close())
		s, _ = open(t, dir, map[raftguard.Kind]raftguard.Kind{raftguard.KindBolt: raftguard.KindWAL, raftguard.KindWAL: raftguard.KindBolt}[kind]) // a log with a gap cannot be moved
		require.NoError(t, s.Verify())
	})
}

// Raft passes over a snapshot that it cannot read, and takes an older one: which is well if the log goes on from that one, and
// forgets what was promised if it does not.
func TestADamagedSnapshotIsNotForgotten(t *testing.T) {
	for name, c := range map[string]struct {
		log  []*raft.Log
		says string
	}{
		"the log goes on from the older":  {log: span(5, 12)},
		"the log goes on from the newest": {log: span(10, 12), says: "entry 5 is missing"},
		"the log is empty":                {says: "entry 5 is missing"},
		"the log ends before":             {log: span(5, 7), says: "entry 8 is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s, _ := open(t, dir, raftguard.KindWAL)
			snapshotAt(t, s, 4, 3)
			broken := snapshotAt(t, s, 9, 3)
			require.NoError(t, s.StoreLogs(c.log))
			require.NoError(t, s.Verify())
			require.NoError(t, os.WriteFile(filepath.Join(dir, "snapshots", broken, "state.bin"), []byte("something else"), 0o600))
			require.NoError(t, s.Close())
			s, _ = open(t, dir, raftguard.KindWAL)
			err := s.Verify()
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, raftguard.ErrCorrupt)
			require.ErrorContains(t, err, c.says)
		})
	}
}
