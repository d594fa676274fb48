package tcpconn

import (
	"net"
	"syscall"
	"time"
)

// Owed returns how long the other end's kernel has not acknowledged any of the bytes that were sent on conn and await that; zero if none do. It is
// false where that is not known. It does not block.
func Owed(conn net.Conn) (since time.Duration, known bool) { return ask(conn, owed) }

// Heard returns how long ago bytes last came in on conn, whether or not anybody has read them, to some milliseconds, and false where that is not known. It
// does not block.
func Heard(conn net.Conn) (ago time.Duration, known bool) { return ask(conn, heard) }

// ask asks conn's kernel.
func ask(conn net.Conn, what func(fd int) (time.Duration, bool)) (answer time.Duration, known bool) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return 0, false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, false
	}
	_ = raw.Control(func(fd uintptr) { answer, known = what(int(fd)) }) // of one that is closed nothing is known
	return answer, known
}
