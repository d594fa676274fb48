package membership

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/locator"
)

func said(name string, port uint16, m meta) *memberlist.Node {
	return &memberlist.Node{Name: name, Addr: net.IPv4(127, 0, 0, 9), Port: port, Meta: m.encode()}
}

func health(c *cache) map[locator.NodeID]Health {
	h := map[locator.NodeID]Health{}
	for _, m := range c.members() {
		h[m.ID] = m.Health
	}
	return h
}

func TestHealths(t *testing.T) {
	c := newCache("self", slog.New(slog.DiscardHandler))
	c.NotifyJoin(said("a", 1, sampleMeta))
	require.Equal(t, Alive, health(c)["a"])
	<-c.changes

	require.False(t, c.probeFailed("a"), "the second try over TCP stays on")
	require.Equal(t, Suspect, health(c)["a"])
	<-c.changes
	c.probeFailed("a")
	require.Empty(t, c.changes, "nothing new")
	c.NotifyPingComplete(&memberlist.Node{Name: "a"}, 0, nil)
	require.Equal(t, Alive, health(c)["a"])

	c.NotifyLeave(said("a", 1, sampleMeta))
	require.Equal(t, Dead, health(c)["a"])
	c.NotifyJoin(said("a", 1, sampleMeta))
	leaving := sampleMeta
	leaving.leaving = true
	c.NotifyUpdate(said("a", 1, leaving))
	require.Equal(t, Alive, health(c)["a"])
	c.NotifyLeave(said("a", 1, leaving))
	require.Equal(t, Left, health(c)["a"])
}

func TestMembersAreCopies(t *testing.T) {
	c := newCache("self", slog.New(slog.DiscardHandler))
	n := said("a", 1, sampleMeta)
	c.NotifyJoin(n)
	n.Name, n.Addr[15], n.Meta[5] = "b", 77, 0xff
	list := c.members()
	list[0].Zone = "changed"
	require.Equal(t, []Member{{
		ID: "a", Name: "alpha", Zone: "z1", Address: "127.0.0.1:7000", Gossip: "127.0.0.9:1", Health: Alive, Free: 1 << 40,
		Expect: 3, HasState: true, Cluster: sampleMeta.cluster, Version: "v0.1.0", Level: 200, Needs: 1, Direct: "10.1.2.3/24",
	}}, c.members())
}

func TestHostileMembersAreIgnored(t *testing.T) {
	var log bytes.Buffer
	c := newCache("self", slog.New(slog.NewTextHandler(&log, nil)))
	c.NotifyJoin(&memberlist.Node{Name: "a", Addr: net.IPv4(127, 0, 0, 9), Meta: []byte{9, 9}})
	require.Contains(t, log.String(), "member ignored")
	require.Empty(t, c.members())
	c.NotifyLeave(&memberlist.Node{Name: "a"})
	c.NotifyJoin(said("bad\nname", 1, sampleMeta))
	require.Empty(t, c.members())

	c.NotifyJoin(said("a", 1, sampleMeta))
	c.NotifyUpdate(&memberlist.Node{Name: "a", Addr: net.IPv4(127, 0, 0, 9), Meta: []byte("nonsense")})
	require.Equal(t, "alpha", c.members()[0].Name, "stays as it was")

	for i := range knownMax {
		c.NotifyJoin(said(fmt.Sprint("n", i), 1, sampleMeta))
	}
	require.Len(t, c.members(), knownMax)
}

func TestWhoIsMissing(t *testing.T) {
	c := newCache("self", slog.New(slog.DiscardHandler))
	c.NotifyJoin(said("self", 1, sampleMeta))
	c.recall([]peerAddress{{"recalled", "127.0.0.9:5", time.Now()}, {"ancient", "127.0.0.9:6", time.Unix(0, 0)}})
	seeds := []string{"127.0.0.9:1", "127.0.0.9:2", "seed.example:7"}
	missing, alone := c.missing(seeds, time.Hour)
	require.True(t, alone)
	require.Equal(t, []string{"127.0.0.9:2", "127.0.0.9:5", "seed.example:7"}, missing)
	require.Len(t, c.members(), 1, "recalled ones are not listed before they are heard of")

	leaving := sampleMeta
	leaving.leaving = true
	c.NotifyJoin(said("seed", 2, sampleMeta))
	c.NotifyJoin(said("gone", 3, leaving))
	c.NotifyLeave(said("gone", 3, leaving))
	c.NotifyJoin(said("crashed", 4, sampleMeta))
	c.NotifyLeave(said("crashed", 4, sampleMeta))
	missing, alone = c.missing(seeds, time.Hour)
	require.False(t, alone)
	require.Equal(t, []string{"127.0.0.9:4", "127.0.0.9:5", "seed.example:7"}, missing)

	c.NotifyConflict(said("crashed", 4, sampleMeta), said("crashed", 8, sampleMeta))
	missing, _ = c.missing(nil, time.Hour)
	require.Equal(t, []string{"127.0.0.9:4", "127.0.0.9:5", "127.0.0.9:8"}, missing)
	c.NotifyJoin(said("crashed", 8, sampleMeta))
	missing, _ = c.missing(nil, time.Hour)
	require.Equal(t, []string{"127.0.0.9:5"}, missing)
}

func TestPeersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	none, err := loadPeers(path)
	require.NoError(t, err)
	require.Empty(t, none)

	c := newCache("self", slog.New(slog.DiscardHandler))
	c.NotifyJoin(said("self", 1, sampleMeta))
	c.NotifyJoin(said("b", 3, sampleMeta))
	c.NotifyJoin(said("a", 2, sampleMeta))
	c.NotifyLeave(said("a", 2, sampleMeta))
	want := c.remembered()
	require.Len(t, want, 2)
	require.NoError(t, savePeers(path, want))
	require.NoError(t, savePeers(path, want))
	got, err := loadPeers(path)
	require.NoError(t, err)
	require.Equal(t, want, got)
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")
	require.Error(t, savePeers(filepath.Join(path, "not-a-directory"), want))
}

func TestDamagedPeersFileIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peers.json")
	for content, says := range map[string]string{
		`{`:             "unexpected end",
		`{"version":2}`: "version 2, this node knows 1",
		`{"version":1,"peers":[{"id":"a","address":"x"}]}`:           "node a",
		`{"version":1,"peers":[{"id":"a b","address":"1.1.1.1:1"}]}`: "is none",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := loadPeers(path)
		require.ErrorContains(t, err, says)
	}
	require.NoError(t, os.WriteFile(path, make([]byte, peersBytesMax+1), 0o600))
	_, err := loadPeers(path)
	require.ErrorContains(t, err, "at most")
}

func FuzzDecodePeers(f *testing.F) {
	f.Add([]byte(`{"version":1,"peers":[{"id":"a","address":"127.0.0.1:1","seen":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if list, err := decodePeers(b); err == nil {
			newCache("self", slog.New(slog.DiscardHandler)).recall(list)
		}
	})
}

func TestLogLevels(t *testing.T) {
	var log bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&log, nil)))
	l.Printf("[DEBUG] memberlist: nobody reads this")
	l.Printf("[ERR] memberlist: Failed to send ping: %s", "refused")
	l.Printf("no level")
	require.NotContains(t, log.String(), "nobody")
	require.Contains(t, log.String(), `level=WARN msg="Failed to send ping: refused"`)
	require.Contains(t, log.String(), `level=INFO msg="no level"`)
}
