package raftguard_test

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/registry/internal/raftguard"
)

// diary is a log that may be read while it is written.
type diary struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.Write(b)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.b.String()
}

// A heartbeat, as the smallest message there is.
func beat(from, to *raftguard.Transport) error {
	request := &raft.AppendEntriesRequest{Term: 1, RPCHeader: raft.RPCHeader{ProtocolVersion: 3, Addr: []byte("x")}}
	return from.AppendEntries("self", to.LocalAddr(), request, new(raft.AppendEntriesResponse))
}

// answer answers whatever arrives, and counts it.
func answer(t *testing.T, tr *raftguard.Transport) (heard func() int) {
	var mu sync.Mutex
	n := 0
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case rpc := <-tr.Consumer():
				mu.Lock()
				n++
				mu.Unlock()
				rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); running.Wait() })
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

func TestClustersDoNotMix(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		strict   bool
		mixes    bool
	}{
		"same":                   {"one", "one", true, false},
		"to a new node":          {"one", "", true, false},
		"from a new node":        {"", "one", false, false},
		"from one that has none": {"", "one.2", true, true},
		"two":                    {"one", "two", false, true},
		"lineages of one":        {"one", "one.2", false, true},
		"lineages, other way":    {"one.3", "one.2", true, true},
		"neither knows anything": {"", "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			var said [2]diary
			from := clusterTransport(t, c.from, c.strict, slog.New(slog.NewTextHandler(&said[0], nil)))
			to := clusterTransport(t, c.to, c.strict, slog.New(slog.NewTextHandler(&said[1], nil)))
			heard := answer(t, to)
			err := beat(from, to)
			if !c.mixes {
				require.NoError(t, err)
				require.Equal(t, 1, heard())
				return
			}
			require.ErrorIs(t, err, raftguard.ErrAnotherCluster)
			require.Zero(t, heard(), "refused before any message of Raft's")
			for i := range said {
				require.Eventually(t, func() bool {
					return strings.Contains(said[i].String(), "raft connection refused: the peer belongs to")
				}, time.Minute, time.Millisecond)
				if c.from != "" {
					require.Contains(t, said[i].String(), "peer_cluster="+[]string{c.to, c.from}[i])
				}
			}
		})
	}
}

// Nodes of version 0.1.0 say a name and its length, and understand nothing else. They are talked to while there are any.
func TestVersion010(t *testing.T) {
	dial := func(tr *raftguard.Transport) net.Conn {
		conn, err := net.Dial("tcp", string(tr.LocalAddr()))
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, err = conn.Write([]byte("\x04self\xff")) // no type of message
		require.NoError(t, err)
		return conn
	}
	t.Run("dials", func(t *testing.T) {
		for _, strict := range []bool{false, true} {
			var said diary
			tr := clusterTransport(t, "one", strict, slog.New(slog.NewTextHandler(&said, nil)))
			_, err := dial(tr).Read(make([]byte, 1)) // it ends either way, but for different reasons
			require.Error(t, err)
			want := "unknown rpc type 255"
			if strict {
				want = "does not say which cluster"
			}
			require.Eventually(t, func() bool { return strings.Contains(said.String(), want) }, time.Minute, time.Millisecond)
		}
	})
	t.Run("is dialled", func(t *testing.T) {
		for _, strict := range []bool{false, true} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer l.Close()
			greeted := make(chan string, 10)
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						close(greeted)
						return
					}
					length := make([]byte, 1)
					_, _ = io.ReadFull(conn, length)
					name := make([]byte, length[0])
					_, _ = io.ReadFull(conn, name)
					greeted <- string(name)
					conn.Close()
				}
			}()
			tr := clusterTransport(t, "one", strict, slog.New(slog.DiscardHandler))
			request := &raft.AppendEntriesRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: 3}}
			require.Error(t, tr.AppendEntries("old", raft.ServerAddress(l.Addr().String()), request, new(raft.AppendEntriesResponse)))
			l.Close()
			var got []string
			for name := range greeted {
				got = append(got, name)
			}
			if strict {
				require.Equal(t, []string{""}, got)
			} else {
				require.Equal(t, []string{"", "old"}, got)
			}
		}
	})
}
