//go:build rdma && linux && cgo

package ibverbs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bell is the descriptor of a completion channel, or of what an adapter says of itself, in Go's netpoller: a duplicate, as the library closes its own. Its read deadline is the
// memory of wake: passed, it ends the present wait or the next one.
type bell struct {
	file *os.File
	raw  syscall.RawConn
}

func newBell(fd int) (*bell, error) {
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("fabric/rdma: duplicate the channel: %w", err)
	}
	b := &bell{file: os.NewFile(uintptr(own), "adapter's channel")} // which does not block, so it goes into the netpoller
	if b.raw, err = b.file.SyscallConn(); err == nil {
		err = b.file.SetReadDeadline(time.Time{}) // fails where it did not
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fabric/rdma: wait for the channel: %w", err), b.file.Close())
	}
	return b, nil
}

// wait blocks until there is something to take, and takes it, or until wake. It looks by a system call first: what came before it began
// rings no more.
func (b *bell) wait(take func()) error {
	err := b.raw.Read(func(fd uintptr) bool {
		if !readable(fd) {
			return false
		}
		take()
		return true
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return b.file.SetReadDeadline(time.Time{})
	}
	return err
}

// wake ends a wait. That the bell is closed is no error of who wakes.
func (b *bell) wake() { _ = b.file.SetReadDeadline(time.Unix(1, 0)) }

func (b *bell) close() error { return b.file.Close() }

func readable(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return n > 0 || err != nil && !errors.Is(err, unix.EINTR) // an error shows when it is read
}
