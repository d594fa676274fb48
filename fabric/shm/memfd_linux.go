package shm

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
)

// Sizes of the parts in bytes: whole pages. All processes of a host have the same page size.
func nodeBytes() int                 { return os.Getpagesize() }
func producerBytes(capacity int) int { return os.Getpagesize() + capacity } // a page for the words, then the data
func consumerBytes() int {
	page := os.Getpagesize()
	return (ring.ConsumerWordsBytes + page - 1) / page * page
}

// Footprint is how much memory a ring of that capacity takes, in bytes: all its parts.
func Footprint(capacity int) int { return nodeBytes() + producerBytes(capacity) + consumerBytes() }

// The words fit their places: these lines do not compile otherwise.
var (
	_ [ring.ControlBytes]byte       = [unsafe.Sizeof(ring.Control{})]byte{}
	_ [ring.ProducerWordsBytes]byte = [unsafe.Sizeof(ring.ProducerWords{})]byte{}
	_ [ring.ConsumerWordsBytes]byte = [unsafe.Sizeof(ring.ConsumerWords{})]byte{}
)

// Seals. A size that is sealed both ways is what makes touching a mapping safe.
const (
	sizeSeals   = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW
	nodeSeals   = sizeSeals | unix.F_SEAL_SEAL // nobody may ever seal it against writing
	writerSeals = sizeSeals | unix.F_SEAL_FUTURE_WRITE
)

// newPart returns a memfd of size bytes: zeroed, all its pages allocated, its size sealed, open to this user only.
func newPart(name string, size int) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, fmt.Errorf("shm: memfd_create %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	// A memfd begins with mode 0777: anybody who holds it read-only could open it for writing through /proc.
	if err = unix.Fchmod(fd, 0o600); err != nil {
		err = fmt.Errorf("chmod: %w", err)
	} else if err = unix.Ftruncate(fd, int64(size)); err != nil {
		err = fmt.Errorf("truncate to %d: %w", size, err)
	} else if err = allocate(fd, size); err != nil {
		err = fmt.Errorf("allocate %d bytes: %w", size, err)
	} else if err = addSeals(f, sizeSeals); err == nil {
		return f, nil
	}
	f.Close()
	return nil, fmt.Errorf("shm: %s: %w", name, err)
}

// allocate makes all pages be there. A truncate reserves nothing, and a first touch without memory left kills. It goes in
// steps because the kernel undoes the whole step when a signal arrives.
func allocate(fd, size int) error {
	const step = 16 << 20
	for at := 0; at < size; {
		err := unix.Fallocate(fd, 0, int64(at), int64(min(step, size-at)))
		switch {
		case err == nil:
			at += step
		case !errors.Is(err, unix.EINTR):
			return err
		}
	}
	return nil
}

func addSeals(f *os.File, seals int) error {
	return control(f, func(fd int) error {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
			return fmt.Errorf("seal %#x: %w", seals, err)
		}
		return nil
	})
}

// checkPart verifies that f is a memfd of just this size, with these seals and no holes, and returns its inode.
func checkPart(f *os.File, size, seals int) (inode uint64, err error) {
	err = control(f, func(fd int) error {
		has, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
		if err != nil {
			return fmt.Errorf("not a memfd (%w): %w", err, fabric.ErrCorrupt)
		}
		if has&seals != seals {
			return fmt.Errorf("seals %#x, want %#x: %w", has, seals, fabric.ErrCorrupt)
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if st.Size != int64(size) || st.Blocks*512 < int64(size) {
			return fmt.Errorf("%d bytes, %d of them allocated, want %d: %w", st.Size, st.Blocks*512, size, fabric.ErrCorrupt)
		}
		inode = st.Ino
		return nil
	})
	return inode, err
}

// checkInode verifies that a part is the one that the node's part names.
func checkInode(inode, want uint64) error {
	if inode != want {
		return fmt.Errorf("inode %d, the node's part names %d: %w", inode, want, fabric.ErrCorrupt)
	}
	return nil
}

// control calls do with f's descriptor. Unlike File.Fd it leaves the descriptor's flags alone, and keeps it open meanwhile.
func control(f *os.File, do func(fd int) error) error {
	if f == nil {
		return fmt.Errorf("descriptor is missing: %w", fabric.ErrCorrupt)
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// copier makes copies of descriptors, for the same open files, until the first failure.
type copier struct{ err error }

func (c *copier) file(f *os.File) (copied *os.File) {
	if c.err == nil {
		c.err = control(f, func(fd int) error {
			copied = c.fd(fd)
			return c.err
		})
	}
	return copied
}

func (c *copier) fd(fd int) *os.File {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		c.err = fmt.Errorf("shm: copy descriptor: %w", err)
		return nil
	}
	return os.NewFile(uintptr(n), "shm")
}

// reopen opens the same memory anew: read-only, so that who gets the descriptor cannot write, or for writing, which works
// for the user who made it.
func reopen(f *os.File, flag int) (*os.File, error) {
	var opened *os.File
	err := control(f, func(fd int) error {
		n, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flag|unix.O_CLOEXEC, 0)
		if err == nil {
			opened = os.NewFile(uintptr(n), f.Name())
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("shm: open %s again: %w", f.Name(), err)
	}
	return opened, nil
}
