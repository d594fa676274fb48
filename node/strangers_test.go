package node_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node"
)

// Whoever knocks at the doors of a node, over and over, is counted each time and is a line a minute in its log.
func TestStrangersDoNotFillTheLog(t *testing.T) {
	const times = 100
	var lines said
	c := newClusterOf(t, 1, func(_ int, cfg *node.Config) {
		cfg.Logger = slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelWarn}))
	})
	c.ready()
	at := netip.MustParseAddrPort(c.nodes[0].Address())
	gossip := netip.AddrPortFrom(at.Addr(), at.Port()+1).String()
	for _, door := range []struct{ network, address, says string }{
		{"tcp", at.String(), api.PrefaceRaft + "\x00\xff" + strings.Repeat("\x00", 19)},
		{"tcp", at.String(), api.PrefaceData + "\xff\xff\xff\xff{"},
		{"unix", c.nodes[0].Socket(), api.PrefaceSession + "\xff\xff\xff\xff{"},
		{"tcp", gossip, "\xff"},
		{"udp", gossip, "\xff"},
	} {
		was := refused(t, c)
		for i := range times {
			conn, err := net.Dial(door.network, door.address)
			require.NoError(t, err)
			_, err = io.WriteString(conn, door.says)
			require.NoError(t, err)
			eventually(t, func() error { // one after the other, or a datagram may be dropped
				if now := refused(t, c); now < was+i+1 {
					return fmt.Errorf("%d refusals at %v, and %d before", now, door, was)
				}
				return nil
			})
			require.NoError(t, conn.Close())
		}
	}
	http.DefaultClient.CloseIdleConnections()
	lines.mu.Lock()
	defer lines.mu.Unlock()
	require.Less(t, strings.Count(lines.lines.String(), "\n"), 20, lines.lines.String())
	for _, message := range []string{"raft connection refused", "data connection refused", "session refused", "gossip with a peer failed"} {
		require.Contains(t, lines.lines.String(), message)
	}
}

var refusalsTotal = regexp.MustCompile(`(?m)^grafnode_refusals_total (\S+)$`)

func refused(t *testing.T, c *cluster) int {
	t.Helper()
	answer, err := http.Get("http://" + c.nodes[0].Address() + "/metrics")
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	found := refusalsTotal.FindSubmatch(body)
	require.NotNil(t, found)
	n, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return int(n)
}
