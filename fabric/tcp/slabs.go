package tcp

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/grafnode/grafnode/fabric"
)

// slabMax is the size in which a remote consumer's memory comes, where rings are not small. A row for which a slab is too small
// gets one of its own.
const slabMax = 256 << 10

// slab is room for stretches, one behind the other.
type slab struct {
	buf   []byte // never moved, so that what was handed out stays
	ready int    // bytes that may be read
	next  *slab
}

// slabs holds the stretches that have come and are not acked yet, for one remote consumer. Its memory is bounded by twice the ring's
// capacity and two slabs, whatever the owner sends: it can send no more than a ring's worth without an ack, and slabs may
// leave nearly half unused. One goroutine fills it (room, filled), one at a time reads and releases (look, release).
type slabs struct {
	slabBytes int
	bytesMax  int
	spareMax  int // slabs kept when they are empty: half a ring's worth

	// Of the filling goroutine.
	fill int // bytes of tail.buf that are taken
	open int // how many bytes of the row that comes in parts are still to come

	mu    sync.Mutex // guards the rest, and the fields of every slab but buf's bytes
	head  *slab
	tail  *slab
	bytes int // of the slabs from head to tail
	spare []*slab
}

func newSlabs(capacity int) *slabs {
	size := max(payloadMax, min(slabMax, capacity/4))
	first := &slab{}
	return &slabs{
		slabBytes: size,
		bytesMax:  2 * (capacity + size),
		spareMax:  max(1, capacity/size/2),
		head:      first,
		tail:      first,
	}
}

// room returns where the next stretch of n bytes goes. first is how many bytes the row has with which it begins, if it does not go on with one.
func (s *slabs) room(n int, first func() (int, error)) ([]byte, error) {
	if s.open > 0 {
		if n > s.open {
			return nil, fmt.Errorf("%d bytes after a row of which %d were missing: %w", n, s.open, fabric.ErrCorrupt)
		}
		return s.tail.buf[s.fill : s.fill+n : s.fill+n], nil
	}
	size, err := first()
	switch {
	case err != nil:
		return nil, err
	case size > n:
		s.open = size
	default:
		size = n
	}
	if size > len(s.tail.buf)-s.fill {
		if err := s.grow(size); err != nil {
			return nil, err
		}
	}
	return s.tail.buf[s.fill : s.fill+n : s.fill+n], nil
}

// filled takes in what room returned, and shows it to look unless its row goes on. It reports whether it did.
func (s *slabs) filled(n int) bool {
	s.fill += n
	if s.open > 0 {
		if s.open -= n; s.open > 0 {
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail.ready = s.fill
	return true
}

// grow adds a slab with room for size bytes.
func (s *slabs) grow(size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if more := s.bytes + max(size, s.slabBytes); more > s.bytesMax {
		return fmt.Errorf("%d bytes for records without an ack: the ring is smaller: %w", more, fabric.ErrCorrupt)
	}
	fresh := s.fresh(size)
	s.bytes += len(fresh.buf)
	s.tail.next = fresh
	s.tail, s.fill = fresh, 0
	return nil
}

func (s *slabs) fresh(size int) *slab {
	if n := len(s.spare); n > 0 && size <= s.slabBytes {
		f := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return f
	}
	return &slab{buf: make([]byte, max(size, s.slabBytes))}
}

// place is a reader's place: records of one slab that it need not lock for.
type place struct {
	*slab
	at, end int
}

// header reads the header of the row at p.
func (p *place) header() uint64 { return binary.LittleEndian.Uint64(p.buf[p.at:]) }

// look moves p, which is used up, to the next records, and reports whether there are any.
func (s *slabs) look(p *place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p.at == p.ready && p.next != nil {
		p.slab, p.at = p.next, 0
	}
	p.end = p.ready
	return p.at < p.end
}

// release gives back the slabs before p, a place that all readers have come to.
func (s *slabs) release(p *slab) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.head != p {
		left := s.head
		s.head = left.next
		s.bytes -= len(left.buf)
		if len(left.buf) == s.slabBytes && len(s.spare) < s.spareMax {
			*left = slab{buf: left.buf}
			s.spare = append(s.spare, left)
		}
	}
}
