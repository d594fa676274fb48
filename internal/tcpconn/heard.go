package tcpconn

import (
	"net"
	"syscall"
	"time"
)

// Heard returns how long ago bytes last came in on conn, whether or not anybody has read them, to some milliseconds, and false where that is not known. It
// does not block.
func Heard(conn net.Conn) (ago time.Duration, known bool) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	_ = raw.Control(func(fd uintptr) { ago, known = heard(int(fd)) }) // of one that is closed nothing is known
	return ago, known
}
