package shm

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
)

// An event is an eventfd that is readable from the start and is never read. A signal is a write of zero: it changes nothing,
// but gives each poller that asked for edges, as Go's does, a new one. So nothing that another holder of the same eventfd
// does to it can block us: a write of zero never waits, whatever the counter and whether or not O_NONBLOCK, which all
// holders share, is set; and there is no read that could. Who drains the counter makes wake-ups from others get lost,
// until the deadline; that is hardly more than a peer can do by never waking anybody.
func newEvent(name string) (*os.File, error) {
	fd, err := unix.Eventfd(1, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("shm: eventfd: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

var zero [8]byte

// checkEvent verifies that f is an eventfd: a write of zero bytes to anything else may block.
func checkEvent(f *os.File) error {
	return control(f, func(fd int) error {
		what, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && !strings.HasSuffix(what, "[eventfd]") {
			err = fmt.Errorf("%s is no eventfd: %w", what, fabric.ErrCorrupt)
		}
		return err
	})
}

// bell is the end of an event that signals. It is outside the poller, which would be woken by its own signals otherwise.
type bell struct{ fd int }

var noBell = bell{-1}

func newBell(f *os.File) (bell, error) {
	fd, err := dup(f)
	if err != nil {
		return noBell, err
	}
	return bell{fd}, nil
}

// dup returns a bare descriptor for the same open file.
func dup(f *os.File) (fd int, err error) {
	err = control(f, func(old int) error {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// Signal implements ring.Signaler. The caller makes sure that the bell is not closed meanwhile.
func (b bell) Signal() {
	for {
		if _, err := unix.Write(b.fd, zero[:]); !errors.Is(err, unix.EINTR) {
			return // other errors mean a holder who broke its own event
		}
	}
}

func (b bell) close() {
	if b.fd >= 0 {
		unix.Close(b.fd)
	}
}

// sleeper is the end of an event that is waited on. It implements ring.Event.
type sleeper struct {
	file  *os.File
	raw   syscall.RawConn
	ready func() bool        // of the Park under way
	poll  func(uintptr) bool // asks ready; made once
}

func newSleeper(f *os.File) (*sleeper, error) {
	fd, err := dup(f)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // tells os.NewFile that the poller may have it
		unix.Close(fd)
		return nil, err
	}
	s := &sleeper{file: os.NewFile(uintptr(fd), f.Name())}
	s.poll = func(uintptr) bool { return s.ready() }
	if s.raw, err = s.file.SyscallConn(); err == nil {
		err = s.file.SetReadDeadline(time.Time{}) // fails if the poller did not take it
	}
	if err != nil {
		s.file.Close()
		return nil, fmt.Errorf("shm: %s: %w", f.Name(), err)
	}
	return s, nil
}

var past = time.Unix(1, 0)

// Signal implements ring.Event. It interrupts by the poller's deadline rather than by the eventfd, so that a context or a
// Close is obeyed whatever a peer did to that. After close it does nothing.
func (s *sleeper) Signal() { s.file.SetReadDeadline(past) }

// Park implements ring.Event. Read forgets old edges, then asks ready, then sleeps: an edge that comes after the question is
// not lost. Nor is an interruption: one that the new deadline overwrites came before the question.
func (s *sleeper) Park(timeout time.Duration, ready func() bool) {
	var until time.Time
	if timeout > 0 {
		until = time.Now().Add(timeout)
	}
	s.file.SetReadDeadline(until)
	s.ready = ready
	s.raw.Read(s.poll) // its error is a timeout, or the end of the event; the caller looks for itself
}

func (s *sleeper) close() { s.file.Close() }
