package state

import "iter"

// queueChunk is how many entries of a queue are copied, at most, when one is added.
const queueChunk = 8

// queue is an immutable list that grows at its end and shrinks at its beginning. push and pop give another queue, which shares
// all but the newest chunk. The zero value is empty.
type queue[T any] struct {
	full []*[queueChunk]T
	last []T // fewer than a chunk
	gone int // entries of the first chunk that were popped
}

func (q queue[T]) size() int { return len(q.full)*queueChunk + len(q.last) - q.gone }

func (q queue[T]) push(v T) queue[T] {
	last := make([]T, len(q.last)+1)
	copy(last, q.last)
	last[len(q.last)] = v
	if len(last) < queueChunk {
		q.last = last
		return q
	}
	full := make([]*[queueChunk]T, len(q.full)+1)
	copy(full, q.full)
	full[len(q.full)] = (*[queueChunk]T)(last)
	q.full, q.last = full, nil
	return q
}

// pop returns the first entry and the queue without it. The queue is not empty.
func (q queue[T]) pop() (T, queue[T]) {
	if len(q.full) == 0 {
		v := q.last[q.gone]
		q.gone++
		return v, q
	}
	v := q.full[0][q.gone]
	if q.gone++; q.gone == queueChunk {
		q.full, q.gone = q.full[1:], 0
	}
	return v, q
}

// newest returns the last entry. The queue is not empty.
func (q queue[T]) newest() T {
	if n := len(q.last); n > 0 {
		return q.last[n-1]
	}
	return q.full[len(q.full)-1][queueChunk-1]
}

// all yields the entries, oldest first.
func (q queue[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		skip := q.gone
		for i := range len(q.full) + 1 {
			chunk := q.last
			if i < len(q.full) {
				chunk = q.full[i][:]
			}
			for _, v := range chunk[skip:] {
				if !yield(v) {
					return
				}
			}
			skip = 0
		}
	}
}

// queueOf returns the queue of those entries.
func queueOf[T any](all []T) (q queue[T]) {
	for len(all) >= queueChunk {
		q.full = append(q.full, (*[queueChunk]T)(append([]T(nil), all[:queueChunk]...)))
		all = all[queueChunk:]
	}
	q.last = append(q.last, all...)
	return q
}
