package node_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/edge"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/internal/tcpconn"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/node"
	"github.com/grafnode/grafnode/position"
)

// What somebody without the right to it tries on a secure cluster whose pipeline flows is refused with a reason, and the pipeline does not notice.
func TestAttacks(t *testing.T) {
	house := identitytest.New(t)
	c := newClusterOf(t, 2, func(_ int, cfg *node.Config) { cfg.TLS = house.Member(cfg.Name, identity.Server) })
	c.ready()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in, err := edge.Consume[string](ctx, c.stage(0, "in"), "e")
	require.NoError(t, err)
	out, err := edge.Produce[string](ctx, c.stage(1, "out"), "e")
	require.NoError(t, err)
	flows := uint64(0)
	flow := func() {
		flows++
		require.NoError(t, out.Push(ctx, position.Position{Offset: flows}, "hello"))
		m, err := in.Pop(ctx)
		require.NoError(t, err)
		require.NoError(t, in.Ack(m.Pos))
	}
	flow()

	member := house.Open("member", identity.Server)
	record, err := c.asked(0, "", member.Client).Edge(ctx, "e", api.Default)
	require.NoError(t, err)
	anonymous, err := identity.Anonymous(member.Authorities())
	require.NoError(t, err)
	hello := tcp.Hello{Edge: "e", Generation: record.Generation, Arena: record.Locator.Arena, Session: "rogue", Token: "secret", Revision: record.Revision}
	attach := func(with *tls.Config, h tcp.Hello) error {
		_, err := tcp.DialConsumer(ctx, tcp.Attach{Address: record.Locator.Address, Hello: h, TLS: with})
		return err
	}

	t.Run("a stage wants another's ring", func(t *testing.T) {
		defer flow()
		c.open(ctx, 0, "rogue", member.Client)
		require.ErrorContains(t, attach(anonymous, hello), `not "rogue"`)
		posing := hello
		posing.Session = record.Consumer.Session
		require.ErrorIs(t, attach(anonymous, posing), tcp.ErrUnauthorised, "the consumer's session, and not its token")
	})
	t.Run("without TLS", func(t *testing.T) {
		defer flow()
		require.Error(t, attach(nil, hello))
	})
	t.Run("a session that has ended", func(t *testing.T) {
		defer flow()
		nodes, err := c.asked(0, "", member.Client).Nodes(ctx, api.Default)
		require.NoError(t, err)
		a := c.asked(0, "rogue", func() *tls.Config { return anonymous })
		_, err = a.Edges(ctx, "", api.Default)
		require.NoError(t, err)
		end := api.SessionEnd{Session: "rogue", Node: c.nodes[0].ID()}
		for _, n := range nodes {
			if n.ID == end.Node {
				end.Incarnation = n.Incarnation
			}
		}
		_, err = c.asked(0, "", member.Client).Sessions(ctx, api.SessionRequest{End: &end})
		require.NoError(t, err)
		for node := range c.nodes {
			var err error
			eventually(t, func() error { // until it has applied as much
				if _, err = c.asked(node, "rogue", func() *tls.Config { return anonymous }).Edges(ctx, "", api.Default); err == nil {
					return io.ErrNoProgress
				}
				return nil
			})
			if errors.Is(err, api.ErrNoQuorum) {
				continue // a follower that has not heard of a session does not say that it has ended: the leader may know of a newer one
			}
			require.ErrorIs(t, err, api.ErrSessionLost)
		}
		require.ErrorIs(t, attach(anonymous, hello), tcp.ErrUnauthorised)
	})
	t.Run("a certificate that has ended", func(t *testing.T) {
		defer flow()
		old := house.Ended("old", identity.Operator)
		_, err := c.asked(0, "", func() *tls.Config { return old }).Edges(ctx, "", api.Default)
		require.ErrorIs(t, err, api.ErrUnavailable)
	})
	t.Run("a program speaks Raft", func(t *testing.T) {
		defer flow()
		program := house.Open("program", identity.Client)
		conn, err := tcpconn.Dial(ctx, c.nodes[0].Address(), api.PrefaceRaft)
		require.NoError(t, err)
		secured := tls.Client(conn, program.Client())
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = secured.Read(make([]byte, 1)) // in TLS 1.3 the refusal comes with the first answer
		require.ErrorContains(t, err, "certificate")
	})
	t.Run("nonsense on the socket and the port", func(t *testing.T) {
		defer flow()
		for _, to := range []struct{ network, address string }{{"unix", c.nodes[0].Socket()}, {"tcp", c.nodes[0].Address()}} {
			for _, text := range []string{"\x00\x00\x00", "GET / HTTP/1.1\r\n", api.PrefaceSession + "\xff\xff\xff\xff{", api.PrefaceData + "\x16\x03\x01\xff\xff", "\x16\x03\x01\x00\x05hello"} {
				conn, err := net.Dial(to.network, to.address)
				require.NoError(t, err)
				_, _ = io.WriteString(conn, text) // it may be cut before all is said
				require.NoError(t, conn.Close())
			}
		}
	})
	require.NoError(t, out.Close(ctx))
	require.NoError(t, in.Close(ctx))
}

// asked returns a node's API for a session whose token is "secret", and for what a caller shows.
func (c *cluster) asked(node int, session lease.SessionID, with func() *tls.Config) *client.API {
	c.t.Helper()
	a, err := client.NewAPI(c.nodes[node].Address(), client.APIConfig{
		TLS: with, Credentials: func() (lease.SessionID, string) { return session, "secret" },
	})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = a.Close() })
	return a
}

// open opens a session of no process on a node, as a node may.
func (c *cluster) open(ctx context.Context, node int, id lease.SessionID, with func() *tls.Config) {
	c.t.Helper()
	sum := sha256.Sum256([]byte("secret"))
	nodes, err := c.asked(node, "", with).Nodes(ctx, api.Default)
	require.NoError(c.t, err)
	for _, n := range nodes {
		if n.ID == c.nodes[node].ID() {
			_, err = c.asked(node, "", with).Sessions(ctx, api.SessionRequest{Open: &api.SessionOpen{
				Session: id, Node: n.ID, Incarnation: n.Incarnation, Stage: "stage", TTL: time.Minute, TokenSum: sum[:],
			}})
		}
	}
	require.NoError(c.t, err)
}
