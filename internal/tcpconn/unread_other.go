//go:build !linux

package tcpconn

import "net"

// Unread is not known here.
func Unread(net.Conn) bool { return false }
