package raftguard

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"github.com/stretchr/testify/require"
)

func config(dir string, kind Kind) StoreConfig {
	return StoreConfig{Dir: dir, Kind: kind, Stall: time.Minute, Fatal: func(error) {}, Logger: slog.New(slog.DiscardHandler)}
}

func reopen(t testing.TB, dir string, kind Kind) *Store {
	s, err := OpenStore(config(dir, kind))
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func numbered(i uint64) *raft.Log {
	return &raft.Log{Index: i, Term: i/100 + 1, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d", i)}
}

func run(first, last uint64) (logs []*raft.Log) {
	for i := first; i <= last; i++ {
		logs = append(logs, numbered(i))
	}
	return logs
}

// requireLog says what the store holds.
func requireLog(t testing.TB, s *Store, first, last uint64) {
	t.Helper()
	a, err := s.FirstIndex()
	require.NoError(t, err)
	b, err := s.LastIndex()
	require.NoError(t, err)
	require.Equal(t, [2]uint64{first, last}, [2]uint64{a, b})
	for i := first; i <= last; i++ {
		var got raft.Log
		require.NoError(t, s.GetLog(i, &got))
		require.Equal(t, string(numbered(i).Data), string(got.Data))
		require.Equal(t, numbered(i).Term, got.Term)
	}
}

func copyDir(t testing.TB, from string) string {
	to := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

func TestTheLogMovesBetweenKinds(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir, KindBolt)
	require.NoError(t, s.StoreLogs(run(1, 1000)))
	require.NoError(t, s.DeleteRange(1, 10))
	require.NoError(t, s.SetUint64([]byte("CurrentTerm"), 9))
	last := uint64(1000)
	for i, kind := range []Kind{KindWAL, KindWAL, KindBolt, KindBolt, KindWAL, KindAuto, KindBolt} {
		require.NoError(t, s.Close())
		s = reopen(t, dir, kind)
		requireLog(t, s, 11, last)
		require.NoError(t, s.StoreLogs(run(last+1, last+3)), "step %d", i)
		last += 3
		term, err := s.GetUint64([]byte("CurrentTerm"))
		require.NoError(t, err)
		require.Equal(t, uint64(9), term)
	}
	_, err := os.Stat(filepath.Join(dir, dirWAL))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// Killed after any step of a move, whichever kind is asked for next, and killed again: the log is there, whole.
func TestAMoveMayBeCutOffAnywhere(t *testing.T) {
	for _, from := range []Kind{KindBolt, KindWAL} {
		to := KindWAL
		if from == KindWAL {
			to = KindBolt
		}
		dir := t.TempDir()
		s := reopen(t, dir, from)
		require.NoError(t, s.StoreLogs(run(1, 700)))
		require.NoError(t, s.DeleteRange(1, 4))
		require.NoError(t, s.Close())
		for _, image := range movedImages(t, dir, to) {
			for _, next := range []Kind{KindAuto, from, to} {
				for _, again := range append(movedImages(t, image, next), copyDir(t, image)) {
					s := reopen(t, again, next)
					requireLog(t, s, 5, 700)
					require.NoError(t, s.StoreLogs(run(701, 702)))
					require.NoError(t, s.Close())
				}
			}
		}
	}
}

// movedImages returns what is on the disk after each step of opening a copy of dir.
func movedImages(t *testing.T, dir string, kind Kind) (images []string) {
	dir = copyDir(t, dir)
	bolt, err := openBolt(filepath.Join(dir, fileBolt))
	require.NoError(t, err)
	defer bolt.Close()
	_, logs, err := mover{
		dir: dir, bolt: bolt, logger: slog.New(slog.DiscardHandler), segment: 1 << 16, vfs: diskFS,
		step: func(string) { images = append(images, copyDir(t, dir)) },
	}.open(kind)
	require.NoError(t, err)
	require.NoError(t, logs.Close())
	return images
}

// Version 0.1.0 opens the bbolt file alone, and must not take a log that has moved for an empty one: it reads the last entry and
// finds no checksum.
func TestVersion010RefusesAMovedLog(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, dir, KindWAL)
	require.NoError(t, s.StoreLogs(run(1, 3)))
	require.NoError(t, s.Close())
	bolt, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(dir, fileBolt), MsgpackUseNewTimeFormat: true})
	require.NoError(t, err)
	defer bolt.Close()
	last, err := bolt.LastIndex()
	require.NoError(t, err)
	_, err = readEntry(bolt, last)
	require.ErrorIs(t, err, ErrCorrupt)
	require.ErrorContains(t, err, "has no checksum")
}
