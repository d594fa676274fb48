package host_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/lease"
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
