package ring

// ends says where the records end that are found and not acked yet. It is kept apart from the ring because what the producer has
// written is not read, or trusted, twice. Records of one size, one after the other, are one run: so most streams are a few runs,
// and the longest queue is still no more than a word for each record.
type ends struct {
	runs []run // a power of two long; run i is at i modulo that
	// Runs from first to next are those that count. All begin where the one before ends, the first one at what is acked.
	first, next uint64
	size        uint64 // of the last run's records
}

// run is where a run of records ends. Of both cursors 32 bits are enough, of bytes in units of 8: that is more than a ring.
type run struct{ at, count uint32 }

// push adds a run of records, each of size bytes, that ends at end.
func (e *ends) push(end cursor, size uint64) {
	switch {
	case e.next > e.first && e.size == size:
		e.next--
	case e.next-e.first == uint64(len(e.runs)):
		e.grow()
	}
	e.runs[e.next&uint64(len(e.runs)-1)] = run{uint32(end.at >> 3), uint32(end.count)}
	e.next++
	e.size = size
}

func (e *ends) grow() {
	bigger := make([]run, max(8, 2*len(e.runs)))
	for i := e.first; i < e.next; i++ {
		bigger[i&uint64(len(bigger)-1)] = e.runs[i&uint64(len(e.runs)-1)]
	}
	e.runs = bigger
}

// after returns where the first n records of the ring end, and forgets them. Those before acked are forgotten already; n is more
// than that, and all of them were pushed.
func (e *ends) after(acked cursor, n uint64) cursor {
	for {
		r := e.runs[e.first&uint64(len(e.runs)-1)]
		bytes, count := uint64(r.at-uint32(acked.at>>3))<<3, uint64(r.count-uint32(acked.count))
		if left := n - acked.count; left < count {
			return cursor{acked.at + bytes/count*left, n}
		}
		e.first++
		if acked = (cursor{acked.at + bytes, acked.count + count}); acked.count == n {
			return acked
		}
	}
}
