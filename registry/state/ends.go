package state

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"
)

// ends are leases and sessions that are over, by ID: an immutable map like tree, but one that knows no order. With each change of an
// edge an end comes and the oldest goes, and a tree's nodes are larger, its keys slower to compare; only snapshots want an order. What
// a node is copied for, and when it is changed in place, is as with trees. The zero value is empty.
//
// It is a trie by hash, three forks deep, with a place for each of the EndedMax that there can be.
type ends struct {
	root *fork[*fork[*fork[*ended]]]
	n    int
}

// ended is an end, and others in the same place.
type ended struct {
	Ended
	next *ended
}

const forks = 16

type fork[T any] struct {
	by *edit // may change it in place
	at [forks]T
}

// own returns f if it belongs to by, else a copy that does.
func own[T any](f *fork[T], by *edit) *fork[T] {
	c := fork[T]{by: by}
	switch {
	case f == nil:
	case f.by == by:
		return f
	default:
		c.at = f.at
	}
	return &c
}

var endsSeed = maphash.MakeSeed()

// way returns where in each fork an ID belongs.
func way(id string) (high, middle, low uint64) {
	h := maphash.String(endsSeed, id)
	return h / forks / forks % forks, h / forks % forks, h % forks
}

func (e ends) size() int { return e.n }

// get returns the end of id; nil: it is not among them.
func (e ends) get(id string) *ended {
	high, middle, low := way(id)
	if e.root == nil || e.root.at[high] == nil || e.root.at[high].at[middle] == nil {
		return nil
	}
	v := e.root.at[high].at[middle].at[low]
	for v != nil && v.ID != id {
		v = v.next
	}
	return v
}

// place returns where id belongs, to be changed.
func (e *ends) place(by *edit, id string) **ended {
	by.used = true
	high, middle, low := way(id)
	e.root = own(e.root, by)
	second := &e.root.at[high]
	*second = own(*second, by)
	third := &(*second).at[middle]
	*third = own(*third, by)
	return &(*third).at[low]
}

// put adds v, in place of what is there of the same ID.
func (e *ends) put(by *edit, v Ended) *ended {
	e.remove(by, v.ID)
	e.n++
	at := e.place(by, v.ID)
	*at = &ended{v, *at}
	return *at
}

func (e *ends) remove(by *edit, id string) {
	if e.get(id) == nil {
		return
	}
	e.n--
	at := e.place(by, id)
	*at = (*at).without(id)
}

// without returns a place's ends but for that of id, which is among them.
func (v *ended) without(id string) *ended {
	if v.ID == id {
		return v.next
	}
	return &ended{v.Ended, v.next.without(id)}
}

// all returns the ends by ID.
func (e ends) all() []*ended {
	all := slices.AppendSeq(make([]*ended, 0, e.n), e.walk)
	slices.SortFunc(all, func(a, b *ended) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// inOrder returns the ends in the order in which they came.
func (e ends) inOrder() queue[*ended] {
	all := slices.AppendSeq(make([]*ended, 0, e.n), e.walk)
	slices.SortFunc(all, func(a, b *ended) int { return cmp.Compare(a.Seq, b.Seq) })
	return queueOf(all)
}

func (e ends) walk(yield func(*ended) bool) {
	for _, second := range kids(e.root) {
		for _, third := range kids(second) {
			for _, v := range kids(third) {
				for ; v != nil; v = v.next {
					if !yield(v) {
						return
					}
				}
			}
		}
	}
}

// kids returns what is in f; nothing if f is not there.
func kids[T any](f *fork[T]) []T {
	if f == nil {
		return nil
	}
	return f.at[:]
}
