package ring

import "github.com/grafnode/grafnode/fabric"

// ends says where the records end that are found and not acked yet. It is kept apart from the ring because what the producer has
// written is not read, or trusted, twice. A row is a run, and so are rows of one record, of one size, one after the other: so the longest queue is no more than
// a word for each row.
type ends struct {
	runs []run // a power of two long; run i is at i modulo that
	// Runs from first to next are those that count. All begin where the one before ends, the first one at what is acked.
	first, next uint64
	single      uint64 // bytes of each row of one record, if the last run is such rows; else zero
}

// run is where a run of records ends. Of both cursors 32 bits are enough, of bytes in units of 8: that is more than a ring.
type run struct{ at, count uint32 }

// push adds a row that ends at end.
func (e *ends) push(end cursor, row fabric.Row) {
	single := uint64(0)
	if row.Count == 1 {
		single = row.Bytes()
	}
	switch {
	case e.next > e.first && single > 0 && e.single == single:
		e.next--
	case e.next-e.first == uint64(len(e.runs)):
		e.grow()
	}
	e.runs[e.next&uint64(len(e.runs)-1)] = run{uint32(end.at >> 3), uint32(end.count)}
	e.next++
	e.single = single
}

func (e *ends) grow() {
	bigger := make([]run, max(8, 2*len(e.runs)))
	for i := e.first; i < e.next; i++ {
		bigger[i&uint64(len(bigger)-1)] = e.runs[i&uint64(len(e.runs)-1)]
	}
	e.runs = bigger
}

// after returns where the first n records of the ring end, and forgets them; of a row of which there is more, up to 8 bytes before. Those
// before acked are forgotten already; n is more than that, and all of them were pushed.
func (e *ends) after(acked cursor, n uint64) cursor {
	for {
		r := e.runs[e.first&uint64(len(e.runs)-1)]
		size, count := r.at-uint32(acked.at>>3), r.count-uint32(acked.count)
		if left := n - acked.count; left < uint64(count) {
			return cursor{acked.at + uint64(size/count)<<3*left, n}
		}
		e.first++
		if acked = (cursor{acked.at + uint64(size)<<3, acked.count + uint64(count)}); acked.count == n {
			return acked
		}
	}
}
