package handoff

import (
	"math/bits"
	"slices"
)

// queue is a first-in, first-out queue that allocates only to grow. The zero queue is empty.
type queue[T any] struct {
	ring  []T // a power of two long
	first int // index in ring of the oldest
	n     int
}

const queueMin = 16

// at returns the i-th oldest.
func (q *queue[T]) at(i int) *T { return &q.ring[(q.first+i)&(len(q.ring)-1)] }

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) push(v T) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.n++
	*q.at(q.n - 1) = v
}

// add is push of what the caller fills in: the place may have held another before.
func (q *queue[T]) add() *T {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.n++
	return q.at(q.n - 1)
}

func (q *queue[T]) grow() {
	bigger := make([]T, max(queueMin, 2*len(q.ring)))
	n := copy(bigger, q.ring[q.first:])
	copy(bigger[n:], q.ring[:q.first])
	q.ring, q.first = bigger, 0
}

// reserve makes room for n in a queue that is empty and has none.
func (q *queue[T]) reserve(n int) {
	if n > 0 {
		q.ring = make([]T, max(queueMin, 1<<bits.Len(uint(n-1))))
	}
}

// drop takes the oldest n out.
func (q *queue[T]) drop(n int) {
	if n > 0 {
		q.first = (q.first + n) & (len(q.ring) - 1)
		q.n -= n
	}
}

// deleteFunc takes out what del says, and keeps the order.
func (q *queue[T]) deleteFunc(del func(T) bool) {
	kept := 0
	for i := range q.n {
		if v := *q.at(i); !del(v) {
			*q.at(kept) = v
			kept++
		}
	}
	q.n = kept
}

func (q *queue[T]) clone() queue[T] {
	c := *q
	c.ring = slices.Clone(q.ring)
	return c
}
