package leasebroker

import (
	"container/heap"

	"github.com/grafnode/grafnode/lease"
)

// agenda is what a leading keeper has to look at and when: a heap of entries by the instant of the next look. Renewals move
// deadlines, later only, and touch no heap: an entry that is looked at before its time is put back at its deadline. So a hundred
// thousand terms cost a look or two a term each, and a step that finds nothing due costs nothing.
type agenda []*entry

// The heap's order is total, so that the same steps give the same proposals.

func (a agenda) Len() int { return len(a) }

func (a agenda) Less(i, j int) bool {
	if a[i].look != a[j].look {
		return a[i].look < a[j].look
	}
	return a[i].key.compare(a[j].key) < 0
}

func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push is heap.Interface's.
func (a *agenda) Push(e any) { *a = append(*a, e.(*entry)) }

// Pop is heap.Interface's.
func (a *agenda) Pop() any {
	old := *a
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	return e
}

// add puts e down for its deadline. An entry is in the agenda at most once.
func (a *agenda) add(e *entry) {
	e.look = e.deadline
	heap.Push(a, e)
}

// take returns the next entry that is due at the instant at and still there, or nil; early ones go back to where they belong.
func (a *agenda) take(at lease.Instant) *entry {
	for len(*a) > 0 && (*a)[0].look <= at {
		e := (*a)[0]
		switch {
		case e.gone:
			heap.Pop(a)
		case e.deadline > at:
			e.look = e.deadline
			heap.Fix(a, 0)
		default:
			heap.Pop(a)
			return e
		}
	}
	return nil
}

// next returns when to look again, or never.
func (a agenda) next() lease.Instant {
	if len(a) == 0 {
		return never
	}
	return a[0].look
}

// sweep drops the entries that are gone, once they are the most: terms that are given back long before their end.
func (a *agenda) sweep(alive int) {
	if len(*a) < 2*alive+64 {
		return
	}
	kept := (*a)[:0]
	for _, e := range *a {
		if !e.gone {
			kept = append(kept, e)
		}
	}
	clear((*a)[len(kept):])
	*a = kept
	heap.Init(a)
}
