package adapter

import (
	"golang.org/x/sys/unix"
)

// locked returns the limit of this process. Who has CAP_IPC_LOCK has none.
func locked() Locked {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_IPC_LOCK) != 0 {
		return Locked{Unlimited: true}
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return Locked{}
	}
	if limit.Cur == unix.RLIM_INFINITY {
		return Locked{Unlimited: true}
	}
	return Locked{Bytes: limit.Cur}
}
