package party

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Memory returns memory that processes can share: zeroed, closed with the file and those of the processes that inherit it.
func Memory(bytes int) (*os.File, error) {
	fd, err := unix.MemfdCreate("grafnode-bench", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "grafnode-bench")
	if err := f.Truncate(int64(bytes)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
