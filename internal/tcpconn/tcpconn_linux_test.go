package tcpconn_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/internal/tcpconn"
)

func TestDialTunesAndSaysThePreface(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()

	c, err := tcpconn.Dial(t.Context(), l.Addr().String(), "PREFACE/1\n")
	require.NoError(t, err)
	defer c.Close()
	peer, err := l.Accept()
	require.NoError(t, err)
	defer peer.Close()

	got := make([]byte, 10)
	_, err = io.ReadFull(peer, got)
	require.NoError(t, err)
	require.Equal(t, "PREFACE/1\n", string(got))

	require.Equal(t, int(tcpconn.UserTimeout.Milliseconds()), option(t, c, unix.TCP_USER_TIMEOUT))
	require.Equal(t, 2, option(t, c, unix.TCP_KEEPIDLE))
	require.Equal(t, 1, option(t, c, unix.TCP_NODELAY))
}

func option(t *testing.T, c net.Conn, name int) int {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	require.NoError(t, err)
	var value int
	require.NoError(t, raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, name) }))
	require.NoError(t, err)
	return value
}

func TestDialEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tcpconn.Dial(ctx, "127.0.0.1:1", "x")
	require.Error(t, err)
}
