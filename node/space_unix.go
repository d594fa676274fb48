//go:build linux || darwin || freebsd

package node

import "golang.org/x/sys/unix"

// space returns how many bytes are free for this process where path lies, and how many there are; zeros if that is not known.
func space(path string) (free, size uint64) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0
	}
	block := uint64(s.Bsize)
	return uint64(max(0, int64(s.Bavail))) * block, s.Blocks * block // FreeBSD counts below zero what is kept for root
}
