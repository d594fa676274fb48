package fdconn_test

import (
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/internal/fdconn"
)

func pair(t testing.TB) (from, to *fdconn.Conn, rawFrom *net.UnixConn) {
	a, b := sockets(t)
	c := fdconn.Config{FrameMax: 1 << 20}
	return fdconn.New(a, c), fdconn.New(b, c), a
}

func openCount(t testing.TB) int {
	entries, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(entries)
}

func memfd(t testing.TB, content string) *os.File {
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "memfd")
	_, err = f.WriteString(content)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// A plain frame before, a long frame with descriptors, a plain one after: the descriptors come with theirs, in order.
func TestDescriptorsComeWithTheirFrame(t *testing.T) {
	from, to, _ := pair(t)
	one, two := memfd(t, "one"), memfd(t, "two")
	long := strings.Repeat("x", 800<<10)
	go func() {
		from.Send(message{"before"})
		from.Send(message{long}, one, two)
		from.Send(message{"after"})
	}()
	for _, want := range []struct {
		text  string
		files []string
	}{{"before", nil}, {long, []string{"one", "two"}}, {"after", nil}} {
		var m message
		files, err := to.Receive(&m)
		require.NoError(t, err)
		require.Equal(t, want.text, m.Text)
		require.Len(t, files, len(want.files))
		for i, f := range files {
			b := make([]byte, 3)
			_, err := f.ReadAt(b, 0)
			require.NoError(t, err)
			require.Equal(t, want.files[i], string(b))
			flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
			require.NoError(t, err)
			require.NotZero(t, flags&unix.FD_CLOEXEC, "not inherited by children")
			f.Close()
		}
	}
}

// Every refused descriptor is closed again.
func TestRefusedDescriptorsAreClosed(t *testing.T) {
	f := memfd(t, "x")
	rights := func(n int) []byte {
		fds := make([]int, n)
		for i := range fds {
			fds[i] = int(f.Fd())
		}
		return unix.UnixRights(fds...)
	}
	for name, send := range map[string]func(*net.UnixConn){
		"one too many": func(c *net.UnixConn) { c.WriteMsgUnix([]byte("\x02\x00\x00\x00{}"), rights(fdconn.FilesMax+1), nil) },
		"cut off":      func(c *net.UnixConn) { c.WriteMsgUnix([]byte("\x02\x00\x00\x00{}"), rights(100), nil) },
		"in the body": func(c *net.UnixConn) {
			c.Write([]byte("\x02\x00\x00\x00"))
			c.WriteMsgUnix([]byte("{}"), rights(1), nil)
		},
		"with a bad length": func(c *net.UnixConn) { c.WriteMsgUnix([]byte("\xff\xff\xff\xff"), rights(2), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			_, to, raw := pair(t)
			send(raw)
			before := openCount(t)
			_, err := to.Receive(new(message))
			require.ErrorIs(t, err, fdconn.ErrFrame)
			require.Equal(t, before, openCount(t))
		})
	}
}

func TestSendingClosedFileBreaksNothing(t *testing.T) {
	from, to, _ := pair(t)
	f := memfd(t, "x")
	f.Close()
	require.ErrorContains(t, from.Send(message{"a"}, f), "closed file")
	require.NoError(t, from.Send(message{"b"}))
	var m message
	_, err := to.Receive(&m)
	require.NoError(t, err)
	require.Equal(t, "b", m.Text)
}

func TestPeerIsThisProcess(t *testing.T) {
	a, _ := sockets(t)
	c, err := fdconn.Peer(a)
	require.NoError(t, err)
	require.Equal(t, fdconn.Credentials{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid()}, c)
}
