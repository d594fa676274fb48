package state

import (
	"iter"
	"strings"
)

// tree is an immutable map ordered by key: a B+ tree whose nodes are copied before they are changed. A changed tree shares with
// the one before it all that did not change, so a State can be read, watched and written to disk while newer ones are made.
// The zero value is empty.
//
// One draft makes many changes at once, and one run those of many entries; the nodes that it has copied are its own until its state is
// published, and are changed in place. Its edit is what they know it by.
//
// Why not a radix tree: hashicorp/go-immutable-radix, which stood here before, gives each node a channel to watch it by and slices of
// their own; here a node is one allocation. A change of an edge made 366 allocations with it, and takes a fifth of the time now.
// Nor tidwall/btree: its Copy writes to the tree that it copies, and a published State may be read, and stepped from, by any goroutine.
type tree[K key[K], V any] struct {
	root node[K, V] // nil: empty
	n    int
}

// key is what a tree can be ordered by.
type key[K any] interface{ compare(than K) int }

// text orders by bytes.
type text string

func (a text) compare(b text) int { return strings.Compare(string(a), string(b)) }

// edit is the identity of a draft, and says whether it has changed any tree.
type edit struct{ used bool }

func (t tree[K, V]) size() int { return t.n }

func (t tree[K, V]) get(k K) (v V, ok bool) {
	for n := t.root; n != nil; {
		switch x := n.(type) {
		case *inner[K, V]:
			n = x.vals[x.route(k)]
		case *leaf[K, V]:
			if i, found := x.search(k); found {
				return x.vals[i], true
			}
			return v, false
		}
	}
	return v, false
}

func (t tree[K, V]) has(k K) bool {
	_, ok := t.get(k)
	return ok
}

// put and remove change nodes that may be shared with the tree that somebody iterates over, if both are the same draft's: a draft
// collects what it iterates over before it changes the tree.
func (t *tree[K, V]) put(by *edit, k K, v V) {
	by.used = true
	if t.root == nil {
		t.root = &leaf[K, V]{slots[K, V]{by: by}}
	}
	root, right, grew := t.root.put(by, k, v)
	if right != nil {
		above := &inner[K, V]{slots[K, node[K, V]]{by: by}}
		above.insert(0, root.least(), root)
		above.insert(1, right.least(), right)
		root = above
	}
	t.root = root
	if grew {
		t.n++
	}
}

func (t *tree[K, V]) remove(by *edit, k K) {
	by.used = true
	if t.root == nil {
		return
	}
	root, removed := t.root.remove(by, k)
	if !removed {
		return
	}
	t.n--
	for root.width() == 1 {
		above, ok := root.(*inner[K, V])
		if !ok {
			break
		}
		root = above.vals[0]
	}
	if t.root = root; root.width() == 0 {
		t.root = nil
	}
}

// all yields the entries in the order of their keys.
func (t tree[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.root != nil {
			t.root.walk(nil, yield)
		}
	}
}

// from yields the entries whose key is not below lowest, in the order of their keys.
func (t tree[K, V]) from(lowest K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if t.root != nil {
			t.root.walk(&lowest, yield)
		}
	}
}

// under yields the values whose key begins with prefix, in the order of their keys.
func under[V any](t tree[text, V], prefix string) iter.Seq[V] {
	return func(yield func(V) bool) {
		for k, v := range t.from(text(prefix)) {
			if !strings.HasPrefix(string(k), prefix) || !yield(v) {
				return
			}
		}
	}
}
