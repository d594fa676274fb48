package raftguard

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

type dialled struct{ net.Listener }

func (dialled) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(address), timeout)
}

func listening(t *testing.T, log Held) *Transport {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return NewTransport(TransportConfig{
		Layer: dialled{l}, Self: "f", Address: l.Addr().String(), Heartbeat: time.Minute, Logger: slog.New(slog.DiscardHandler),
		Cluster: func() string { return "" }, Strict: func() bool { return false }, Log: log,
	})
}

// blank is a state machine without a state.
type blank struct{}

func (blank) Apply(*raft.Log) any                 { return nil }
func (blank) Snapshot() (raft.FSMSnapshot, error) { return nil, raft.ErrNothingNewToSnapshot }
func (blank) Restore(r io.ReadCloser) error       { return r.Close() }

// followed is a raft that never stands for election, and a leader that says what the test wants.
type followed struct {
	t     *testing.T
	dir   string
	kind  Kind
	store *Store
	fatal chan error
	self  *Transport
	from  *Transport
	raft  *raft.Raft
}

func following(t *testing.T, kind Kind, guarded bool) *followed {
	f := &followed{t: t, dir: t.TempDir(), kind: kind, fatal: make(chan error, 1), from: listening(t, nil)}
	t.Cleanup(func() { f.from.Close() })
	f.open(guarded, func(s *Store) raft.LogStore { return s }, func(t *Transport) raft.Transport { return t })
	t.Cleanup(func() { f.close() })
	return f
}

// open starts raft on what is on the disk.
func (f *followed) open(guarded bool, logs func(*Store) raft.LogStore, transport func(*Transport) raft.Transport) {
	c := config(f.dir, f.kind)
	c.Fatal = func(err error) { f.fatal <- err }
	var err error
	f.store, err = OpenStore(c)
	require.NoError(f.t, err)
	var log Held
	if guarded {
		log = f.store
	}
	f.self = listening(f.t, log)
	rc := raft.DefaultConfig()
	rc.LocalID, rc.Logger = "f", Logger(slog.New(slog.DiscardHandler))
	rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = time.Hour, time.Hour, time.Hour
	f.raft, err = raft.NewRaft(rc, blank{}, logs(f.store), f.store, f.store.Snapshots(), transport(f.self))
	require.NoError(f.t, err)
}

func (f *followed) close() {
	require.NoError(f.t, f.raft.Shutdown().Error())
	require.NoError(f.t, f.store.Close())
}

func (f *followed) header() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: 3, ID: []byte("l"), Addr: []byte(f.from.address)}
}

// append sends entries first to last of term 2, after an entry of term 2, and returns whether they were accepted.
func (f *followed) append(first, last uint64) bool { return f.appendOf(2, first, last) }

func (f *followed) appendOf(term, first, last uint64) bool {
	f.t.Helper()
	request := appended(term, first-1, entries(term, first, last)...)
	if first == 1 {
		request.PrevLogTerm = 0
	}
	request.RPCHeader = f.header()
	var response raft.AppendEntriesResponse
	require.NoError(f.t, f.from.named.AppendEntries("f", f.self.address, request, &response))
	return response.Success
}

func (f *followed) install(index, term uint64) {
	f.t.Helper()
	body := []byte("state")
	request := &raft.InstallSnapshotRequest{
		RPCHeader: f.header(), SnapshotVersion: raft.SnapshotVersionMax, Term: 2, LastLogIndex: index, LastLogTerm: term, Size: int64(len(body)),
		Configuration: raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "l", Address: "l"}, {ID: "f", Address: "f"}}}), ConfigurationIndex: 1,
	}
	var response raft.InstallSnapshotResponse
	require.NoError(f.t, f.from.named.InstallSnapshot("f", f.self.address, request, &response, bytes.NewReader(body)))
	require.True(f.t, response.Success)
}

// A follower takes a snapshot and the entries behind it, and its answer to those is lost. Raft alone refuses them when they come
// again, since its log does not have what is before them; then comes the snapshot again, for which it throws away the entries that it
// has stored; and then it refuses them for good.
func TestEntriesBehindASnapshotMayComeTwice(t *testing.T) {
	for _, kind := range []Kind{KindBolt, KindWAL} {
		t.Run(string(kind), func(t *testing.T) {
			f := following(t, kind, true)
			f.install(10, 2)
			require.True(t, f.append(11, 13))
			require.True(t, f.append(11, 13), "again")
			f.install(10, 2)
			requireLast(t, f.store, 13)
			require.True(t, f.append(11, 15))
			requireLast(t, f.store, 15)
			f.install(15, 2)
			require.True(t, f.append(16, 16))
			require.Empty(t, f.fatal)
		})
	}
	t.Run("without the sieve", func(t *testing.T) {
		f := following(t, KindWAL, false)
		f.install(10, 2)
		require.True(t, f.append(11, 13))
		require.False(t, f.append(11, 13), "raft has mended it")
	})
}

// Without the sieve the store is the last that stands between raft and a log that it should not have thrown away.
func TestTheStoreStopsWhatTheSieveLetsThrough(t *testing.T) {
	t.Run("throwing away", func(t *testing.T) {
		f := following(t, KindWAL, false)
		require.True(t, f.append(1, 12))
		f.install(10, 2)
		require.ErrorIs(t, <-f.fatal, ErrPromised)
		requireLast(t, f.store, 12)
	})
	t.Run("what is not the cluster's", func(t *testing.T) {
		f := following(t, KindWAL, false)
		require.True(t, f.append(1, 12))
		f.install(10, 1) // the log's entry is of term 2: what follows is not the cluster's, and is thrown away
		require.ErrorIs(t, <-f.fatal, ErrForeign)
		require.False(t, f.append(13, 13), "raft would leave a gap: it does not know where its log ends")
		requireLast(t, f.store, 0)
	})
}

func requireLast(t *testing.T, s *Store, want uint64) {
	t.Helper()
	last, err := s.LastIndex()
	require.NoError(t, err)
	require.Equal(t, want, last)
}
