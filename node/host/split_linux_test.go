package host_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/node/host"
)

// as has f run as another user, on this thread only.
func as(t *testing.T, uid int, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	become := func(uid int) {
		_, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0))
		require.Zero(t, errno)
	}
	become(uid)
	defer become(0)
	f()
}

// A user who is only let in cannot take the connections of those whose host it is, however long his live.
func TestGuestsHaveTheirShare(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be somebody else")
	}
	const nobody, more = 65534, 100
	dir, err := os.MkdirTemp("", "grafnode-split-") // which others may enter
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	path := dir + "/socket"
	s, dial := openSplit(t, path)
	defer s.Close()
	require.NoError(t, os.Chmod(path, 0o666))
	sessions := make(chan net.Conn)
	go func() {
		for {
			c, err := s.Sessions().Accept()
			if err != nil {
				close(sessions)
				return
			}
			sessions <- c
		}
	}()
	hello := func(c net.Conn) { // nobody else's connection can be told from one that was refused before it is heard
		_, _ = c.Write([]byte(api.PrefaceSession))
	}
	guests := make([]net.Conn, 0, more)
	as(t, nobody, func() {
		for range more {
			guests = append(guests, dial())
		}
	})
	for _, c := range guests {
		hello(c)
	}
	hello(dial())
	var kept []net.Conn
	for mine := false; !mine; { // it came last: all others have been let in or refused before
		c := <-sessions
		who, err := host.Peer(c)
		require.NoError(t, err)
		mine = who.UID == 0
		kept = append(kept, c)
	}
	refused := 0
	for _, c := range guests {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(time.Millisecond)))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			refused++
		}
	}
	require.Equal(t, more-64, refused)
	for _, c := range guests {
		require.NoError(t, c.Close())
	}
	for _, c := range kept { // closed here, too, they no longer count
		require.NoError(t, c.Close())
	}
	require.Eventually(t, func() bool {
		var c net.Conn
		as(t, nobody, func() { c = dial() })
		hello(c)
		select {
		case got := <-sessions: // or one of those that were let in before
			return got.Close() == nil && c.SetReadDeadline(time.Now().Add(time.Millisecond)) == nil
		case <-time.After(10 * time.Millisecond):
			return false
		}
	}, patience, 10*time.Millisecond)
}
