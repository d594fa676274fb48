package raftguard

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"
)

// pipeLayer hands out one connection.
type pipeLayer struct {
	raft.StreamLayer
	conn net.Conn
}

func (p pipeLayer) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) { return p.conn, nil }

// greet returns what a server says that dials id, and the error of one that hears it.
func greet(t *testing.T, id raft.ServerID, dials, hears Allegiance) error {
	t.Helper()
	a, b := net.Pipe()
	heard := make(chan error, 1)
	go func() {
		heard <- readName(b, "n1", hears)
		b.Close()
	}()
	_, err := dialNamed(pipeLayer{conn: a}, meant(id, "127.0.0.1:1"), time.Second, dials)
	require.NoError(t, err)
	return <-heard
}

func TestWhoIsHeard(t *testing.T) {
	none, first := Allegiance{}, Allegiance{Cluster: "abc"}
	says := Allegiance{Cluster: "abc", Say: true}
	recovered := Allegiance{Cluster: "abc.2", Say: true, Demand: true}
	other := Allegiance{Cluster: "xyz", Say: true}
	for name, tc := range map[string]struct {
		dials, hears Allegiance
		refused      string
	}{
		"two of 0.1.0":                   {first, first, ""},
		"0.1.0 and a later one":          {first, says, ""},
		"two of one cluster":             {says, says, ""},
		"one that has just been started": {says, none, ""},
		"to one that says nothing yet":   {says, first, ""},
		"another cluster":                {other, first, "cluster \"xyz\""},
		"an old member":                  {says, recovered, "wipe the server"},
		"an old member of level 1":       {first, recovered, "cluster \"\""},
		"two after a recovery":           {recovered, recovered, ""},
		"to an old member":               {recovered, says, "cluster \"abc.2\""},
		"one that knows no cluster":      {none, recovered, "cluster \"\""},
	} {
		err := greet(t, "n1", tc.dials, tc.hears)
		if tc.refused == "" {
			require.NoError(t, err, name)
		} else {
			require.ErrorContains(t, err, tc.refused, name)
		}
	}
	require.ErrorContains(t, greet(t, "n2", says, says), `meant for server "n2"`)
	_, err := dialNamed(pipeLayer{}, meant(raft.ServerID(strings.Repeat("n", 252)), "h:1"), time.Second, says)
	require.ErrorContains(t, err, "1 to 255 bytes")
}

func FuzzReadName(f *testing.F) {
	f.Add([]byte("\x02n1"), "abc", false)
	f.Add([]byte("\x06n1 abc"), "abc", true)
	f.Add([]byte("\xffn1"), "", true)
	f.Fuzz(func(t *testing.T, b []byte, cluster string, demand bool) {
		if readName(bytes.NewReader(b), "n1", Allegiance{Cluster: cluster, Demand: demand}) == nil {
			require.True(t, bytes.HasPrefix(b[1:], []byte("n1")))
		}
	})
}
