package raftguard_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	wal "github.com/hashicorp/raft-wal"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

var kinds = []raftguard.Kind{raftguard.KindBolt, raftguard.KindWAL}

func onEachKind(t *testing.T, test func(*testing.T, raftguard.Kind)) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { test(t, kind) })
	}
}

func open(t testing.TB, dir string, kind raftguard.Kind) (*raftguard.Store, chan error) {
	fatal := make(chan error, 2)
	s, err := raftguard.OpenStore(raftguard.StoreConfig{
		Dir: dir, Kind: kind, Stall: time.Minute, Fatal: func(err error) { fatal <- err }, Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s, fatal
}

func entry(index uint64) *raft.Log {
	return &raft.Log{Index: index, Term: 3, Type: raft.LogCommand, Data: []byte("data"), Extensions: []byte("ext")}
}

func TestStoreReturnsWhatWasStored(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind raftguard.Kind) {
		dir := filepath.Join(t.TempDir(), "dir")
		s, _ := open(t, dir, kind)
		bare := &raft.Log{Index: 2, Term: 3, Type: raft.LogNoop}
		require.NoError(t, s.StoreLogs([]*raft.Log{entry(1), bare}))
		for range 2 {
			for _, want := range []*raft.Log{entry(1), {Index: 2, Term: 3, Type: raft.LogNoop}} {
				var got raft.Log
				require.NoError(t, s.GetLog(want.Index, &got))
				got.AppendedAt = time.Time{}
				require.Equal(t, *want, got)
			}
			require.NoError(t, s.Verify())
			require.NoError(t, s.Close())
			s, _ = open(t, dir, raftguard.KindAuto)
			require.Equal(t, kind, s.Kind())
		}
		require.Nil(t, bare.Extensions, "the caller's entry is left alone")
		require.Equal(t, raft.ErrLogNotFound, s.GetLog(3, new(raft.Log)))
		_, err := s.GetUint64([]byte("k"))
		require.EqualError(t, err, "not found") // raft compares this text
		require.NoError(t, s.SetUint64([]byte("k"), 7))
		require.NoError(t, s.DeleteRange(1, 1))
		require.Equal(t, uint64(2), s.Writes().Count)
		require.NotZero(t, s.Writes().Slowest)
		first, err := s.FirstIndex()
		require.NoError(t, err)
		require.Equal(t, uint64(2), first)
	})
}

// What raft does to a log: it cuts the end off, it drops the beginning, it drops everything and goes on further up.
func TestStoreCutsAsRaftDoes(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind raftguard.Kind) {
		dir := t.TempDir()
		s, _ := open(t, dir, kind)
		var all []*raft.Log
		for i := uint64(1); i <= 5000; i++ {
			all = append(all, entry(i))
		}
		require.NoError(t, s.StoreLogs(all))
		holds := func(first, last uint64) {
			t.Helper()
			for range 2 {
				a, err := s.FirstIndex()
				require.NoError(t, err)
				b, err := s.LastIndex()
				require.NoError(t, err)
				require.Equal(t, [2]uint64{first, last}, [2]uint64{a, b})
				require.NoError(t, s.Verify())
				require.Equal(t, raft.ErrLogNotFound, s.GetLog(last+1, new(raft.Log)))
				if first > 0 {
					require.Equal(t, raft.ErrLogNotFound, s.GetLog(first-1, new(raft.Log)))
				}
				require.NoError(t, s.Close())
				s, _ = open(t, dir, kind)
			}
		}
		require.NoError(t, s.DeleteRange(4001, 5000))
		holds(1, 4000)
		require.NoError(t, s.DeleteRange(1, 1500))
		holds(1501, 4000)
		require.NoError(t, s.StoreLogs(all[4000:4010]))
		holds(1501, 4010)
		require.NoError(t, s.DeleteRange(1501, 4010))
		holds(0, 0)
		snapshotAt(t, s, 9000, 3)
		require.NoError(t, s.StoreLogs([]*raft.Log{entry(9001), entry(9002)}))
		holds(9001, 9002)
	})
}

func TestDamagedEntriesEndTheProcess(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind raftguard.Kind) {
		for name, damage := range map[string]func(*raft.Log){
			"data":        func(l *raft.Log) { l.Data[0] ^= 1 },
			"term":        func(l *raft.Log) { l.Term++ },
			"type":        func(l *raft.Log) { l.Type = raft.LogNoop },
			"checksum":    func(l *raft.Log) { l.Extensions[4] ^= 1 },
			"no checksum": func(l *raft.Log) { l.Extensions = nil },
		} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				s, _ := open(t, dir, kind)
				require.NoError(t, s.StoreLog(entry(1)))
				require.NoError(t, s.Close())
				tamper(t, dir, kind, damage)

				s, fatal := open(t, dir, kind)
				err := s.Verify()
				require.ErrorIs(t, err, raftguard.ErrCorrupt)
				require.ErrorContains(t, err, "log entry 1 ")
				require.ErrorContains(t, err, "wipe its data directory")
				require.Empty(t, fatal, "whoever verifies is told")
				require.ErrorIs(t, s.GetLog(1, new(raft.Log)), raftguard.ErrCorrupt)
				require.ErrorIs(t, <-fatal, raftguard.ErrCorrupt)
				require.ErrorIs(t, s.StoreLog(entry(2)), raftguard.ErrCorrupt, "nothing is written afterwards")
				require.Empty(t, fatal, "reported once")
			})
		}
	})
}

// tamper changes entry 1 behind the store's back.
func tamper(t *testing.T, dir string, kind raftguard.Kind, damage func(*raft.Log)) {
	var logs interface {
		raft.LogStore
		Close() error
	}
	var err error
	if kind == raftguard.KindBolt {
		logs, err = raftboltdb.New(raftboltdb.Options{Path: filepath.Join(dir, "log.db"), MsgpackUseNewTimeFormat: true})
	} else {
		logs, err = wal.Open(filepath.Join(dir, "wal"))
	}
	require.NoError(t, err)
	defer logs.Close()
	var l raft.Log
	require.NoError(t, logs.GetLog(1, &l))
	damage(&l)
	require.NoError(t, logs.DeleteRange(1, 1))
	require.NoError(t, logs.StoreLog(&l))
}

func TestFailedWritesAreNotRetried(t *testing.T) {
	onEachKind(t, func(t *testing.T, kind raftguard.Kind) {
		s, fatal := open(t, t.TempDir(), kind)
		require.NoError(t, s.Close()) // from here on the files refuse
		err := s.StoreLog(entry(1))
		require.ErrorIs(t, err, raftguard.ErrDisk)
		require.ErrorIs(t, <-fatal, raftguard.ErrDisk)
		require.Equal(t, err, s.Set([]byte("k"), nil))
		require.Empty(t, fatal)
	})
}

func TestOpenStoreSaysWhoIsInTheWay(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, raftguard.KindAuto)
	_, err := raftguard.OpenStore(raftguard.StoreConfig{Dir: dir})
	require.ErrorContains(t, err, "in use")
	_, err = raftguard.OpenStore(raftguard.StoreConfig{Dir: dir, Kind: "tape"})
	require.ErrorContains(t, err, `"tape": must be bolt, wal or auto`)
}

// A log that has gone is not an empty one.
func TestALostLogIsNoticed(t *testing.T) {
	dir := t.TempDir()
	s, _ := open(t, dir, raftguard.KindWAL)
	require.NoError(t, s.StoreLog(entry(1)))
	require.NoError(t, s.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "wal")))
	for _, kind := range kinds {
		_, err := raftguard.OpenStore(raftguard.StoreConfig{Dir: dir, Kind: kind})
		require.ErrorIs(t, err, raftguard.ErrCorrupt)
	}
}
