package node

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// hostMemory returns how many bytes of memory there are for this process at most: the host's, or what its control group may use if
// that is less. False if that is not known.
func hostMemory() (size uint64, known bool) {
	var i unix.Sysinfo_t
	if err := unix.Sysinfo(&i); err != nil {
		return 0, false
	}
	size = uint64(i.Totalram) * uint64(i.Unit) //nolint:unconvert // 32 bits where words have
	if limit, ok := groupMemory("/sys/fs/cgroup/memory.max"); ok {
		size = min(size, limit)
	}
	return size, true
}

// groupMemory reads a control group's limit from path, where a container sees its own.
func groupMemory(path string) (limit uint64, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	limit, err = strconv.ParseUint(string(bytes.TrimSpace(b)), 10, 64)
	return limit, err == nil // "max" is none
}
