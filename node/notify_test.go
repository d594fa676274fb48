package node

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "gn")
	require.NoError(t, err)
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "notify")
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, Notify("READY=1"), "nobody asked")

	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	require.NoError(t, Notify("READY=1"))
	b := make([]byte, 64)
	n, err := l.Read(b)
	require.NoError(t, err)
	require.Equal(t, "READY=1", string(b[:n]))

	t.Setenv("NOTIFY_SOCKET", path+".none")
	require.Error(t, Notify("READY=1"))
}
