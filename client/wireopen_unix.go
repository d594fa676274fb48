//go:build unix

package client

import (
	"crypto/tls"
	"net"
	"syscall"
)

// open reports whether an idle connection is still open, without waiting: a node that has gone, or has closed what nobody used,
// has sent an end or a reset, and there is nothing else that it could have sent.
func open(c net.Conn) bool {
	if secured, ok := c.(*tls.Conn); ok {
		c = secured.NetConn() // nodes send nothing beside answers, not even tickets
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	var b [1]byte
	err = raw.Read(func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), b[:])
		quiet = err == syscall.EAGAIN || err == syscall.EINTR
		return true // do not wait
	})
	return err == nil && quiet
}
