package ring

// ends says where the records end that are read and not acked yet. It is kept apart from the ring because what the producer has
// written is not read, or trusted, twice. Of a cursor 32 bits are enough, in units of 8 bytes: that is more than a ring.
type ends struct {
	queue []uint32 // a power of two long; record i's end is at i modulo that
	first uint64   // record whose end was stored first, of those that count
	next  uint64
	full  uint64 // next may go up to here
}

// push stores where the next record ends.
func (e *ends) push(at uint64) {
	if e.next == e.full {
		e.grow()
	}
	e.queue[e.next&uint64(len(e.queue)-1)] = uint32(at >> 3)
	e.next++
}

func (e *ends) grow() {
	bigger := make([]uint32, max(128, 2*len(e.queue)))
	for i := e.first; i < e.next; i++ {
		bigger[i&uint64(len(bigger)-1)] = e.queue[i&uint64(len(e.queue)-1)]
	}
	e.queue, e.full = bigger, e.first+uint64(len(bigger))
}

// after returns where the first n records of the ring end, and forgets them. Those before acked are forgotten already; n is more
// than that.
func (e *ends) after(acked cursor, n uint64) uint64 {
	end := e.queue[(n-1)&uint64(len(e.queue)-1)]
	e.first, e.full = n, n+uint64(len(e.queue))
	return acked.at + uint64(end-uint32(acked.at>>3))<<3
}
