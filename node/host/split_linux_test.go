package host_test

import (
	"net"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/api"
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
	require.NoError(t, os.Chmod(path, 0o666))
	let := make(chan net.Conn, 2*more)
	accepting := make(chan struct{})
	go func() {
		defer close(accepting)
		for c, err := s.Sessions().Accept(); err == nil; c, err = s.Sessions().Accept() {
			let <- c
		}
	}()
	defer func() { s.Close(); <-accepting }()
	refused := make(chan error, 2*more)
	enter := func(c net.Conn) {
		_, _ = c.Write([]byte(api.PrefaceSession)) // may be refused before it is heard
		go func() {
			_, err := c.Read(make([]byte, 1))
			refused <- err
		}()
	}
	var guests []net.Conn
	as(t, nobody, func() {
		for range more {
			guests = append(guests, dial())
		}
	})
	for _, c := range guests {
		enter(c)
	}
	for range more - 64 {
		require.Error(t, <-refused)
	}
	enter(dial())
	var kept []net.Conn
	for range 64 + 1 { // and the one of root's
		kept = append(kept, <-let)
	}
	require.Empty(t, refused)
	for _, c := range kept { // closed here they no longer count
		require.NoError(t, c.Close())
	}
	as(t, nobody, func() { enter(dial()) })
	require.NoError(t, (<-let).Close())
}
