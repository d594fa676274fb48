package tcpconn

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Unread reports whether conn has bytes, or its end, that were not read yet. It does not block. Where that cannot be told it is false.
func Unread(conn net.Conn) (is bool) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { // one that is closed has nothing
		n, err := unix.IoctlGetInt(int(fd), unix.SIOCINQ)
		is = err == nil && n > 0
	})
	return is
}
