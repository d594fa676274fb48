package state

// fan is how many entries a node of a tree has at most. More make lookups quicker and changes, which copy nodes, slower.
const fan = 16

// scant is when a node is joined with its neighbour. It is well below half, so that a removal and a put do not join and split a
// node in turns.
const scant = fan / 4

// node is one node of a tree. All leaves are equally deep.
type node[K key[K], V any] interface {
	// put returns the node with the entry in it, and what comes after it if there was no room; grew: the key is new.
	put(by *edit, k K, v V) (self, right node[K, V], grew bool)
	// remove returns the node without the entry. It may be left with few entries, or none.
	remove(by *edit, k K) (self node[K, V], removed bool)
	// join moves entries between the node and its neighbour to the right until there are enough in both, or all in the first.
	join(by *edit, right node[K, V]) (node[K, V], node[K, V])
	// walk yields the entries from lowest on, or all; false: the reader has had enough.
	walk(lowest *K, yield func(K, V) bool) bool
	// least is not above any key in the node, and above all keys to the left of it. The node is not empty.
	least() K
	width() int
}

// slots are the entries of a node in order: values in a leaf, other nodes, each under its least key, above.
type slots[K key[K], E any] struct {
	by   *edit // may change it in place
	n    int
	keys [fan]K
	vals [fan]E
}

func (s *slots[K, E]) least() K   { return s.keys[0] }
func (s *slots[K, E]) width() int { return s.n }

// search returns where k is, or where it belongs.
func (s *slots[K, E]) search(k K) (i int, found bool) {
	low, high := 0, s.n
	for low < high {
		mid := (low + high) / 2
		switch c := s.keys[mid].compare(k); {
		case c == 0:
			return mid, true
		case c < 0:
			low = mid + 1
		default:
			high = mid
		}
	}
	return low, false
}

// route returns the entry under which k belongs: the last that is not above it, or the first.
func (s *slots[K, E]) route(k K) int {
	i, found := s.search(k)
	if found || i == 0 {
		return i
	}
	return i - 1
}

func (s *slots[K, E]) insert(i int, k K, v E) {
	copy(s.keys[i+1:s.n+1], s.keys[i:s.n])
	copy(s.vals[i+1:s.n+1], s.vals[i:s.n])
	s.keys[i], s.vals[i] = k, v
	s.n++
}

func (s *slots[K, E]) drop(i int) {
	copy(s.keys[i:], s.keys[i+1:s.n])
	copy(s.vals[i:], s.vals[i+1:s.n])
	s.n--
	clear(s.keys[s.n : s.n+1]) // for the garbage collector
	clear(s.vals[s.n : s.n+1])
}

// shift moves the entries of s from i on to the front of right.
func (s *slots[K, E]) shift(i int, right *slots[K, E]) {
	moved := s.n - i
	copy(right.keys[moved:], right.keys[:right.n])
	copy(right.vals[moved:], right.vals[:right.n])
	copy(right.keys[:], s.keys[i:s.n])
	copy(right.vals[:], s.vals[i:s.n])
	clear(s.keys[i:s.n])
	clear(s.vals[i:s.n])
	s.n, right.n = i, right.n+moved
}

// take moves the first entries of right to the end of s.
func (s *slots[K, E]) take(moved int, right *slots[K, E]) {
	copy(s.keys[s.n:], right.keys[:moved])
	copy(s.vals[s.n:], right.vals[:moved])
	copy(right.keys[:], right.keys[moved:right.n])
	copy(right.vals[:], right.vals[moved:right.n])
	clear(right.keys[right.n-moved : right.n])
	clear(right.vals[right.n-moved : right.n])
	s.n, right.n = s.n+moved, right.n-moved
}

// split inserts an entry into the full s, and moves what then is too much to right. A node to whose end is added stays
// full, so that keys that come in order, as from a snapshot, fill their nodes.
func (s *slots[K, E]) split(i int, k K, v E, right *slots[K, E]) {
	at := fan / 2
	if i == fan {
		at = fan
	}
	s.shift(at, right)
	if i < at {
		s.insert(i, k, v)
	} else {
		right.insert(i-at, k, v)
	}
}

// level evens out two neighbours: all in s if there is room, else half in each.
func (s *slots[K, E]) level(right *slots[K, E]) {
	switch total := s.n + right.n; {
	case total <= fan:
		s.take(right.n, right)
	case s.n > total/2:
		s.shift(total/2, right)
	default:
		s.take(total/2-s.n, right)
	}
}

type leaf[K key[K], V any] struct{ slots[K, V] }

// own returns l if it belongs to by, else a copy that does.
func (l *leaf[K, V]) own(by *edit) *leaf[K, V] {
	if l.by == by {
		return l
	}
	c := *l
	c.by = by
	return &c
}

func (l *leaf[K, V]) put(by *edit, k K, v V) (self, right node[K, V], grew bool) {
	i, found := l.search(k)
	l = l.own(by)
	switch {
	case found:
		l.vals[i] = v
		return l, nil, false
	case l.n < fan:
		l.insert(i, k, v)
		return l, nil, true
	}
	next := &leaf[K, V]{slots[K, V]{by: by}}
	l.split(i, k, v, &next.slots)
	return l, next, true
}

func (l *leaf[K, V]) remove(by *edit, k K) (node[K, V], bool) {
	i, found := l.search(k)
	if !found {
		return l, false
	}
	l = l.own(by)
	l.drop(i)
	return l, true
}

func (l *leaf[K, V]) join(by *edit, right node[K, V]) (node[K, V], node[K, V]) {
	l, r := l.own(by), right.(*leaf[K, V]).own(by)
	l.level(&r.slots)
	return l, r
}

func (l *leaf[K, V]) walk(lowest *K, yield func(K, V) bool) bool {
	i := 0
	if lowest != nil {
		i, _ = l.search(*lowest)
	}
	for ; i < l.n; i++ {
		if !yield(l.keys[i], l.vals[i]) {
			return false
		}
	}
	return true
}

type inner[K key[K], V any] struct{ slots[K, node[K, V]] }

// own returns n if it belongs to by, else a copy that does.
func (n *inner[K, V]) own(by *edit) *inner[K, V] {
	if n.by == by {
		return n
	}
	c := *n
	c.by = by
	return &c
}

func (n *inner[K, V]) put(by *edit, k K, v V) (self, right node[K, V], grew bool) {
	i := n.route(k)
	kid, next, grew := n.vals[i].put(by, k, v)
	n = n.own(by)
	n.vals[i] = kid
	if i == 0 && k.compare(n.keys[0]) < 0 {
		n.keys[0] = k
	}
	if next == nil {
		return n, nil, grew
	}
	if n.n < fan {
		n.insert(i+1, next.least(), next)
		return n, nil, grew
	}
	beside := &inner[K, V]{slots[K, node[K, V]]{by: by}}
	n.split(i+1, next.least(), next, &beside.slots)
	return n, beside, grew
}

func (n *inner[K, V]) remove(by *edit, k K) (node[K, V], bool) {
	i := n.route(k)
	kid, removed := n.vals[i].remove(by, k)
	if !removed {
		return n, false
	}
	n = n.own(by)
	n.vals[i] = kid
	switch {
	case kid.width() >= scant:
	case n.n > 1:
		n.mend(by, max(i, 1))
	case kid.width() == 0:
		n.drop(i)
	}
	return n, true
}

// mend joins the nodes before and at i.
func (n *inner[K, V]) mend(by *edit, i int) {
	left, right := n.vals[i-1].join(by, n.vals[i])
	n.vals[i-1] = left
	if right.width() == 0 {
		n.drop(i)
		return
	}
	n.keys[i], n.vals[i] = right.least(), right
}

func (n *inner[K, V]) join(by *edit, right node[K, V]) (node[K, V], node[K, V]) {
	n, r := n.own(by), right.(*inner[K, V]).own(by)
	n.level(&r.slots)
	return n, r
}

func (n *inner[K, V]) walk(lowest *K, yield func(K, V) bool) bool {
	i := 0
	if lowest != nil {
		i = n.route(*lowest)
	}
	for ; i < n.n; i++ {
		if !n.vals[i].walk(lowest, yield) {
			return false
		}
		lowest = nil
	}
	return true
}
