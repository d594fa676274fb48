package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/require"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/identity"
	"github.com/grafnode/grafnode/internal/identity/identitytest"
	"github.com/grafnode/grafnode/internal/tcpconn"
	"github.com/grafnode/grafnode/transport"
)

func TestOnlyNodesSpeakRaft(t *testing.T) {
	house := identitytest.New(t)
	m := listen(t, transport.Config{Identity: house.Open("m", identity.Server)})
	node := listen(t, transport.Config{Identity: house.Open("node", identity.Server)})
	address := raft.ServerAddress(m.Addr().String())

	c, err := node.Raft().Dial(address, 0)
	require.NoError(t, err)
	peer, err := m.Raft().Accept()
	require.NoError(t, err)
	require.Equal(t, identity.Server, peer.(*transport.Secured).Role())
	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	got := make([]byte, len("hello"))
	_, err = io.ReadFull(peer, got)
	require.NoError(t, err)
	require.Equal(t, "hello", string(got))
	require.NoError(t, c.Close())
	_, err = peer.Read(got)
	require.Error(t, err)
	require.NoError(t, peer.Close())

	for _, stranger := range []*identity.Identity{
		house.Open("client", identity.Client), house.Open("operator", identity.Operator), identitytest.New(t).Open("other", identity.Server),
	} {
		raw, err := tcpconn.Dial(t.Context(), string(address), api.PrefaceRaft)
		require.NoError(t, err)
		with := stranger.Client()
		with.InsecureSkipVerify = true // a stranger takes what it can get
		requireCut(t, tls.Client(raw, with))
		require.NoError(t, raw.Close())
	}
	plain, err := tcpconn.Dial(t.Context(), string(address), api.PrefaceRaft)
	require.NoError(t, err)
	_, err = plain.Write([]byte("\x00append entries"))
	require.NoError(t, err)
	drained(t, plain)
	require.Eventually(t, func() bool { return m.Stats().Strangers == 4 }, 30*time.Second, time.Millisecond) // counted after they were told

	_, err = listen(t, transport.Config{}).Raft().Dial(address, 0)
	require.NoError(t, err, "who speaks plainly is not told before it speaks")
	lost := listen(t, transport.Config{})
	go func() { _, _ = lost.Raft().Accept() }()
	_, err = node.Raft().Dial(raft.ServerAddress(lost.Addr().String()), 100*time.Millisecond)
	require.Error(t, err, "nor does a node speak to one that shows nothing")
}

// drained waits for the other end to close, whatever it says before.
func drained(t *testing.T, c net.Conn) {
	t.Helper()
	_, _ = io.Copy(io.Discard, c) // a reset is an end too
	require.NoError(t, c.Close())
}

func TestHTTPSaysWhoAsks(t *testing.T) {
	house := identitytest.New(t)
	m := listen(t, transport.Config{Identity: house.Open("m", identity.Server)})
	type connKey struct{}
	server := &http.Server{
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "<"+string(r.Context().Value(connKey{}).(*transport.Secured).Role())+">")
		}),
	}
	go func() { _ = server.Serve(m.HTTP()) }()
	defer server.Close()

	anonymous, err := identity.Anonymous(house.Open("any", identity.Server).Authorities())
	require.NoError(t, err)
	for want, with := range map[string]*tls.Config{
		"<>": anonymous, "<client>": house.Open("client", identity.Client).Client(), "<operator>": house.Open("operator", identity.Operator).Client(),
		"<server>": house.Open("server", identity.Server).Client(),
	} {
		raw := rawDial(t, m)
		c, err := identity.Dial(t.Context(), raw, with)
		require.NoError(t, err)
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.Equal(t, want, string(body))
	}

	plain := rawDial(t, m)
	_, err = io.WriteString(plain, "GET / HTTP/1.1\r\nHost: node\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, plain.(*net.TCPConn).CloseWrite())
	answer, err := http.ReadResponse(bufio.NewReader(plain), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, answer.StatusCode)
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "speaks TLS only")
}

// Rights end with the certificate, though its owner keeps the connection.
func TestAConnectionEndsWithItsCertificate(t *testing.T) {
	house := identitytest.New(t)
	m := listen(t, transport.Config{Identity: house.Open("m", identity.Server)})
	c, err := identity.Dial(t.Context(), rawDial(t, m), house.Ending("operator", identity.Operator, 5*time.Second))
	require.NoError(t, err)
	accepted, err := m.HTTP().Accept()
	require.NoError(t, err)
	requireCut(t, c)
	require.NoError(t, c.Close())
	require.NoError(t, accepted.Close())
}

// Who begins a handshake and says no more is cut as one that says nothing is.
func TestAHandshakeThatDoesNotEnd(t *testing.T) {
	m := listen(t, transport.Config{Identity: identitytest.New(t).Open("m", identity.Server), PrefaceTimeout: 1})
	for _, begin := range []string{"\x16", "\x16\x03\x01\x40\x00", api.PrefaceRaft + "\x16\x03\x01"} {
		c := rawDial(t, m)
		_, _ = io.WriteString(c, begin) // it may be cut already
		requireCut(t, c)
	}
}
