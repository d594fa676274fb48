package rdma

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric/internal/ring"
)

// page is one page of memory outside of Go's heap.
type page struct{ memory []byte }

func newPage() (*page, error) {
	b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("rdma: map a page: %w", err)
	}
	return &page{b}, nil
}

func (p *page) words() *slots { return (*slots)(unsafe.Pointer(&p.memory[0])) }

func (p *page) unmap() {
	mustUnmap(unsafe.Pointer(&p.memory[0]), uintptr(len(p.memory)), unix.Munmap(p.memory))
}

// mirror is a remote producer's ring, in memory of its own: as in fabric/shm, with the data mapped twice in a row, but all three parts are this
// process's, and the data is what the adapter sends from. Nothing is ever written there by it.
//
//	offset                bytes
//	     0                12288  ring.ConsumerWords
//	 12288                  640  ring.ProducerWords
//	 12928                  128  ring.Control
//	 whole pages       capacity  data
type mirror struct {
	base     unsafe.Pointer
	length   uintptr
	words    uintptr // bytes before the data
	capacity uintptr
	users    atomic.Int32 // the ring's side, and the way: the last one to leave unmaps
}

func newMirror(capacity int) (*mirror, error) {
	pageBytes := os.Getpagesize()
	words := (ring.ConsumerWordsBytes + ring.ProducerWordsBytes + ring.ControlBytes + pageBytes - 1) / pageBytes * pageBytes
	fd, err := unix.MemfdCreate("grafnode-mirror", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("rdma: memfd_create: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(words+capacity)); err != nil {
		return nil, fmt.Errorf("rdma: truncate the mirror: %w", err)
	}
	for err = unix.EINTR; errors.Is(err, unix.EINTR); {
		err = unix.Fallocate(fd, 0, 0, int64(words+capacity)) // a first touch without memory left kills
	}
	if err != nil {
		return nil, fmt.Errorf("rdma: allocate a mirror of %d bytes: %w", capacity, err)
	}
	m := &mirror{words: uintptr(words), capacity: uintptr(capacity), length: uintptr(words + 2*capacity)}
	m.users.Store(2)
	return m, m.mapTwice(fd)
}

// mapTwice reserves the addresses and puts both views there.
func (m *mirror) mapTwice(fd int) (err error) {
	if m.base, err = unix.MmapPtr(-1, 0, nil, m.length, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return fmt.Errorf("rdma: reserve %d bytes of addresses: %w", m.length, err)
	}
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_FIXED | unix.MAP_POPULATE
	if _, err = unix.MmapPtr(fd, 0, m.base, m.words+m.capacity, prot, flags); err == nil {
		_, err = unix.MmapPtr(fd, int64(m.words), unsafe.Add(m.base, m.words+m.capacity), m.capacity, prot, flags)
	}
	if err != nil {
		mustUnmap(m.base, m.length, unix.MunmapPtr(m.base, m.length))
		return fmt.Errorf("rdma: map the mirror: %w", err)
	}
	return nil
}

// leave is called by each user once.
func (m *mirror) leave() {
	if m.users.Add(-1) == 0 {
		mustUnmap(m.base, m.length, unix.MunmapPtr(m.base, m.length))
	}
}

func mustUnmap(base unsafe.Pointer, length uintptr, err error) {
	if err != nil {
		panic(fmt.Sprintf("rdma: munmap of our own %d bytes at %p: %v", length, base, err))
	}
}

func (m *mirror) consumer() *ring.ConsumerWords { return (*ring.ConsumerWords)(m.base) }

func (m *mirror) producer() *ring.ProducerWords {
	return (*ring.ProducerWords)(unsafe.Add(m.base, ring.ConsumerWordsBytes))
}

func (m *mirror) control() *ring.Control {
	return (*ring.Control)(unsafe.Add(m.base, ring.ConsumerWordsBytes+ring.ProducerWordsBytes))
}

// data is the ring's data, twice in a row.
func (m *mirror) data() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(m.base, m.words)), 2*m.capacity)
}
