package tcp

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
)

// slabBytes is the size in which a remote consumer's memory comes. A record larger than wholeMax gets a slab of its own.
const slabBytes = 64 << 10

// slab is a stretch of records in order, each a 4-byte length and its bytes.
type slab struct {
	buf   []byte // never moved, so that what was handed out stays
	ready int    // bytes that are records
	last  uint64 // number after the last of them
	next  *slab
}

// slabs holds the records that have come and are not acked yet, for one remote consumer. Its memory is bounded by the ring's
// capacity, of which the owner can send no more without an ack, and a third of it that slabs may leave unused. One goroutine
// fills it (claim, commit, publish), one reads it (look), any acks.
type slabs struct {
	bytesMax int
	spareMax int // slabs kept when they are empty: half a ring's worth

	// Of the filling goroutine.
	claimed int
	filled  int // of tail.buf
	count   uint64

	mu    sync.Mutex // guards the rest, and the fields of every slab but buf's bytes
	head  *slab
	tail  *slab
	bytes int // in slabs from head to tail
	spare []*slab
}

func newSlabs(capacity int) *slabs {
	first := &slab{}
	return &slabs{
		// Besides the ring's worth of records: the slab that is being read is counted even when all of it is acked.
		bytesMax: capacity + max(fabric.RecordMax(capacity), slabBytes) + slabBytes,
		spareMax: max(1, capacity/slabBytes/2),
		head:     first,
		tail:     first,
	}
}

// claim implements store.
func (s *slabs) claim(n int) ([]byte, error) {
	size := prefixBytes + n
	if s.filled+size > len(s.tail.buf) {
		if err := s.grow(size); err != nil {
			return nil, err
		}
	}
	s.claimed = n
	binary.LittleEndian.PutUint32(s.tail.buf[s.filled:], uint32(n))
	at := s.filled + prefixBytes
	return s.tail.buf[at : at+n : at+n], nil
}

// commit implements store.
func (s *slabs) commit() error {
	s.filled += prefixBytes + s.claimed
	s.count++
	return nil
}

// publish shows what was committed to look.
func (s *slabs) publish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publishLocked()
}

func (s *slabs) publishLocked() {
	s.bytes += s.filled - s.tail.ready
	s.tail.ready, s.tail.last = s.filled, s.count
}

// grow adds a slab with room for size bytes.
func (s *slabs) grow(size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publishLocked()
	if s.bytes+size > s.bytesMax {
		return fmt.Errorf("%d bytes of records without an ack: the ring is smaller: %w", s.bytes+size, fabric.ErrCorrupt)
	}
	s.tail.next = s.fresh(size)
	s.tail, s.filled = s.tail.next, 0
	return nil
}

func (s *slabs) fresh(size int) *slab {
	if n := len(s.spare); n > 0 && size <= slabBytes {
		f := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return f
	}
	return &slab{buf: make([]byte, max(size, slabBytes))}
}

// view is the reader's place: records of one slab that it need not lock for.
type view struct {
	*slab
	at, end int
}

// record returns the record at v and goes past it; nil if there is none.
func (v *view) record() []byte {
	if v.at == v.end {
		return nil
	}
	n := int(binary.LittleEndian.Uint32(v.buf[v.at:]))
	at := v.at + prefixBytes
	v.at = at + n
	return v.buf[at:v.at:v.at]
}

// look moves v, which is used up, to the next records, and reports whether there are any.
func (s *slabs) look(v *view) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.slab == nil {
		v.slab = s.head
	}
	for v.at == v.ready && v.next != nil {
		v.slab, v.at = v.next, 0
	}
	v.end = v.ready
	return v.at < v.end
}

// release gives back the slabs whose records are all among the first n. reading is the slab that look has reached: it and what
// follows it stay.
func (s *slabs) release(n uint64, reading *slab) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.head != reading && reading != nil && s.head.last <= n {
		left := s.head
		s.head = left.next
		s.bytes -= left.ready
		if len(left.buf) == slabBytes && len(s.spare) < s.spareMax {
			*left = slab{buf: left.buf}
			s.spare = append(s.spare, left)
		}
	}
}
