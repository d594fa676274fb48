package tcpconn

import (
	"time"

	"golang.org/x/sys/unix"
)

func heard(fd int) (ago time.Duration, known bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, false
	}
	if info.Last_data_recv == 0 { // just now, or a kernel that does not count
		n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
		return 0, err == nil && n > 0
	}
	return time.Duration(info.Last_data_recv) * time.Millisecond, true
}

func owed(fd int) (since time.Duration, known bool) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	switch {
	case err != nil:
		return 0, false
	case info.Unacked == 0:
		return 0, true
	}
	return time.Duration(info.Last_ack_recv) * time.Millisecond, true
}
