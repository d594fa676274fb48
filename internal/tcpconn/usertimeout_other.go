//go:build !linux

package tcpconn

import (
	"syscall"
	"time"
)

// setUserTimeout does nothing: only Linux has the option. Keepalive and heartbeats remain.
func setUserTimeout(syscall.Conn, time.Duration) error { return nil }
