package shm

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
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

// bell is the end of an event that wakes. It is outside the poller, which would be woken by its own signals otherwise.
type bell struct {
	fd    int
	futex *atomic.Uint32 // in a part that this process may write; nil: none
}

var noBell = bell{fd: -1}

func newBell(f *os.File) (bell, error) {
	fd, err := dup(f)
	if err != nil {
		return noBell, err
	}
	return bell{fd: fd}, nil
}

// dup returns a bare descriptor for the same open file.
func dup(f *os.File) (fd int, err error) {
	err = control(f, func(old int) error {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return fd, err
}

// Ring implements ring.Bell. The caller makes sure that the bell is not closed meanwhile.
func (b bell) Ring(kind uint64) {
	if kind != ring.InPoller && b.futex != nil {
		ringFutex(b.futex)
	}
	if kind != ring.InFutex {
		b.signal()
	}
}

// signal wakes who sleeps in a poller.
func (b bell) signal() {
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

// sleeper is the end of an event that is waited on. It implements ring.Event: in a futex, which is the fastest and takes a
// thread, while there is a seat for it, or else in the poller.
type sleeper struct {
	file *os.File
	raw  syscall.RawConn
	look func(kind uint64) bool // of the Park under way
	poll func(uintptr) bool     // asks look; made once

	own  atomic.Uint32                 // our own bell: added to by Signal, loaded by a Park
	node *atomic.Uint32                // the node's
	peer atomic.Pointer[atomic.Uint32] // the peer's: stored when the peer is bound, loaded by Park; nil before
}

func newSleeper(f *os.File, node *atomic.Uint32) (*sleeper, error) {
	fd, err := dup(f)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(fd, true); err != nil { // tells os.NewFile that the poller may have it
		unix.Close(fd)
		return nil, err
	}
	s := &sleeper{file: os.NewFile(uintptr(fd), f.Name()), node: node}
	s.poll = func(uintptr) bool { return s.look(ring.InPoller) }
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
func (s *sleeper) Signal() {
	ringFutex(&s.own)
	s.file.SetReadDeadline(past)
}

// Park implements ring.Event.
func (s *sleeper) Park(timeout time.Duration, look func(kind uint64) bool) {
	if peer := s.peer.Load(); peer != nil && hot.take() {
		done := s.parkFutex(&futexes{peer, s.node, &s.own}, timeout, look)
		if hot.leave(); done {
			return
		}
	}
	s.parkPoller(timeout, look)
}

// parkFutex sleeps in a system call, for as long as it may. It returns false if the poller must go on.
func (s *sleeper) parkFutex(f *futexes, timeout time.Duration, look func(kind uint64) bool) (done bool) {
	began := monotonic()
	until := began + seated
	if timeout > 0 {
		until = min(until, began+timeout)
	}
	for {
		was := f.values()
		switch now := monotonic(); {
		case look(ring.InFutex), timeout > 0 && now >= began+timeout:
			return true
		case now >= until, !f.wait(was, until):
			return false
		}
	}
}

// parkPoller sleeps in the poller. Read forgets old edges, then asks look, then sleeps: an edge that comes after the question is
// not lost. Nor is an interruption: one that the new deadline overwrites came before the question.
func (s *sleeper) parkPoller(timeout time.Duration, look func(kind uint64) bool) {
	var until time.Time
	if timeout > 0 {
		until = time.Now().Add(timeout)
	}
	s.file.SetReadDeadline(until)
	s.look = look
	s.raw.Read(s.poll) // its error is a timeout, or the end of the event; the caller looks for itself
}

func (s *sleeper) close() { s.file.Close() }

// monotonic is the clock of the futexes' timeouts.
func monotonic() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // cannot fail
	return time.Duration(ts.Nano())
}
