//go:build !linux

package tcpconn

import (
	"net"
	"time"
)

// setUserTimeout does nothing: only Linux has the option. Keepalive and heartbeats remain.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
