package host_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/lease"
	"github.com/grafnode/grafnode/node/host"
)

// dataPort serves data connections as package node does, and returns the port's address.
func dataPort(t *testing.T, n *node) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				if _, err := conn.Read(make([]byte, len(api.PrefaceData))); err == nil {
					n.ServeData(conn)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); n.stop(); running.Wait() })
	return l.Addr().String()
}

func TestRemoteSide(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	address := dataPort(t, n)
	b := dial(t, n.socket, "b")
	const far = lease.SessionID("far")
	c.edit(func() { c.sessions[far] = tokenSum("secret") })
	e := c.grant("e", 1, 1, far, session(t, b).ID)
	hello := tcp.Hello{
		Edge: e.Name, Generation: e.Generation, Arena: e.Locator.Arena, Session: far, Token: "secret", Revision: e.Revision,
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	wrong := hello
	wrong.Token = "guess"
	_, err := tcp.DialProducer(ctx, tcp.Attach{Address: address, Hello: wrong})
	require.ErrorIs(t, err, tcp.ErrUnauthorised)

	p, err := tcp.DialProducer(ctx, tcp.Attach{Address: address, Hello: hello})
	require.NoError(t, err)
	defer p.Close()
	consumer, err := b.AttachConsumer(ctx, e)
	require.NoError(t, err)
	defer consumer.Close()
	push(t, p, "across")
	require.Equal(t, "across", pop(t, consumer))
	require.Equal(t, 2, n.Rings()[0].Attached)

	p.Close()
	require.Eventually(t, func() bool { return n.Rings()[0].Attached == 1 }, patience, time.Millisecond)
	again, err := tcp.DialProducer(ctx, tcp.Attach{Address: address, Hello: hello})
	require.True(t, fabric.Lost(err), "%v %v", again, err)
}

// A record that this node has not applied yet is waited for.
func TestAttachWaitsForTheState(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1)
	a, b := dial(t, n.socket, "a"), dial(t, n.socket, "b")
	e := c.grant("e", 1, 1, session(t, a).ID, session(t, b).ID)
	e.Revision++
	attached := make(chan error, 1)
	go func() {
		p, err := a.AttachProducer(t.Context(), e)
		if err == nil {
			p.Close()
		}
		attached <- err
	}()
	select {
	case err := <-attached:
		t.Fatalf("did not wait: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	c.edit(func() {})
	side, err := b.AttachConsumer(t.Context(), e)
	require.NoError(t, err)
	require.NoError(t, <-attached)
	side.Close()
}

// hostile attaches a side over a connection that it does not read from afterwards, and returns what ServeData says.
func hostile(t *testing.T, n *node, hello tcp.Hello) (served chan error) {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	served = make(chan error, 1)
	go func() { served <- n.ServeData(far) }()
	body, err := json.Marshal(hello)
	require.NoError(t, err)
	_, err = near.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...))
	require.NoError(t, err)
	for answer := []byte(nil); len(answer) == 0; {
		var length [4]byte
		_, err = io.ReadFull(near, length[:])
		require.NoError(t, err)
		answer = make([]byte, binary.LittleEndian.Uint32(length[:]))
		_, err = io.ReadFull(near, answer)
		require.NoError(t, err)
	}
	return served
}

// A remote side that does not take what is left in a ring that has ended does not hold its memory for as long as it likes.
func TestMemoryOfAnEndedRingComesBack(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1, func(c *host.Config) { c.DataGrace = 50 * time.Millisecond })
	a := dial(t, n.socket, "a")
	const far = lease.SessionID("far")
	c.edit(func() { c.sessions[far] = tokenSum("secret") })
	e := c.grant("e", 1, 1, session(t, a).ID, far)
	served := hostile(t, n, tcp.Hello{
		Edge: e.Name, Generation: e.Generation, Arena: e.Locator.Arena, Role: fabric.RoleConsumer, Session: far, Token: "secret",
		Revision: e.Revision, Heartbeat: tcp.HeartbeatMax, // so that silence is no reason
	})
	p, err := a.AttachProducer(t.Context(), e)
	require.NoError(t, err)
	push(t, p, "never taken")
	require.NoError(t, p.Close())
	c.end(e, lease.Revoked)
	select {
	case err := <-served:
		require.ErrorIs(t, err, fabric.ErrRevoked)
	case <-time.After(patience):
		t.Fatal("the connection goes on")
	}
	require.Eventually(t, func() bool { used, _ := n.Memory(); return used == 0 }, patience, time.Millisecond)
}

// Neither a session nor all of them together take more data connections than are meant for them, and are told what to do.
func TestDataConnectionsAreBounded(t *testing.T) {
	c := newCluster()
	n := startNode(t, c, socketPath(t), 1, func(c *host.Config) { c.DataPerSessionMax, c.DataMax = 2, 3 })
	address := dataPort(t, n)
	attach := func(session lease.SessionID, edge string) (fabric.Producer, error) {
		c.edit(func() { c.sessions[session] = tokenSum("secret") })
		e := c.grant(edge, 1, 1, session, "nobody")
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return tcp.DialProducer(ctx, tcp.Attach{Address: address, Hello: tcp.Hello{
			Edge: e.Name, Generation: e.Generation, Arena: e.Locator.Arena, Session: session, Token: "secret", Revision: e.Revision,
		}})
	}
	one, err := attach("far", "e1")
	require.NoError(t, err)
	two, err := attach("far", "e2")
	require.NoError(t, err)
	_, err = attach("far", "e3")
	require.ErrorIs(t, err, api.ErrOverloaded)
	require.True(t, fabric.Lost(err), "the edge goes on with another ring")
	require.ErrorContains(t, err, "session far has 2 data connections")

	var three fabric.Producer
	require.Eventually(t, func() bool { // once the node has noticed that the one that it refused is gone
		three, err = attach("other", "e4")
		return !errors.Is(err, api.ErrOverloaded)
	}, patience, time.Millisecond)
	require.NoError(t, err)
	_, err = attach("third", "e5")
	require.ErrorIs(t, err, api.ErrOverloaded)
	require.ErrorContains(t, err, "place rings on other nodes")

	require.NoError(t, one.Close())
	require.Eventually(t, func() bool { return n.Rings()[0].Attached+n.Rings()[1].Attached+n.Rings()[2].Attached == 2 }, patience, time.Millisecond)
	again, err := attach("far", "e6")
	require.NoError(t, err)
	for _, p := range []fabric.Producer{two, three, again} {
		require.NoError(t, p.Close())
	}
}
