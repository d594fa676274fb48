package shm

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/internal/ring"
)

// mapping is a range of addresses that shows memory of a part.
type mapping struct {
	base   unsafe.Pointer
	length uintptr
}

const (
	readOnly  = unix.PROT_READ
	readWrite = unix.PROT_READ | unix.PROT_WRITE
)

// mapBytes maps the first length bytes of a part.
func mapBytes(f *os.File, length, prot int) (mapping, error) {
	m := mapping{length: uintptr(length)}
	err := control(f, func(fd int) (err error) {
		m.base, err = unix.MmapPtr(fd, 0, nil, m.length, prot, unix.MAP_SHARED|unix.MAP_POPULATE)
		return err
	})
	if err != nil {
		return mapping{}, fmt.Errorf("shm: map %d bytes of %s: %w", length, f.Name(), err)
	}
	return m, nil
}

// mapRing maps the producer's part, and its data once more behind it, so that a record that runs over the end of the ring
// goes on without a break.
func mapRing(f *os.File, capacity, prot int) (mapping, error) {
	part, data := uintptr(producerBytes(capacity)), uintptr(capacity)
	m := mapping{length: part + data}
	err := control(f, func(fd int) (err error) {
		// One reservation, then both views into it: no other mapping can slip in between.
		if m.base, err = unix.MmapPtr(-1, 0, nil, m.length, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
			return err
		}
		const flags = unix.MAP_SHARED | unix.MAP_FIXED | unix.MAP_POPULATE
		if _, err = unix.MmapPtr(fd, 0, m.base, part, prot, flags); err == nil {
			_, err = unix.MmapPtr(fd, int64(part-data), unsafe.Add(m.base, part), data, prot, flags)
		}
		if err != nil {
			m.unmap()
		}
		return err
	})
	if err != nil {
		return mapping{}, fmt.Errorf("shm: map ring of %d bytes: %w", capacity, err)
	}
	return m, nil
}

// unmap gives the addresses back. Nothing of the mapping may be touched afterwards.
func (m mapping) unmap() {
	if m.base != nil {
		if err := unix.MunmapPtr(m.base, m.length); err != nil {
			panic("shm: munmap of our own mapping: " + err.Error())
		}
	}
}

// The views below are only taken of mappings long enough: see the callers of mapBytes and mapRing.

func (m mapping) header() []byte { return unsafe.Slice((*byte)(m.base), headerBytes) }

func (m mapping) control() *ring.Control {
	return (*ring.Control)(unsafe.Add(m.base, controlOffset))
}

func (m mapping) producer() *ring.ProducerWords { return (*ring.ProducerWords)(m.base) }

func (m mapping) consumer() *ring.ConsumerWords { return (*ring.ConsumerWords)(m.base) }

// bell is the futex in a side's part.
func (m mapping) bell(role fabric.Role) *atomic.Uint32 {
	if role == fabric.RoleProducer {
		return &m.producer().Bell
	}
	return &m.consumer().Bell
}

// data is the ring's data, twice in a row.
func (m mapping) data() []byte {
	words := uintptr(os.Getpagesize())
	return unsafe.Slice((*byte)(unsafe.Add(m.base, words)), m.length-words)
}
