package registry

import (
	"iter"

	iradix "github.com/hashicorp/go-immutable-radix/v2"
)

// tree is an immutable map ordered by key. Changing it gives another tree that shares what did not change, so a State can be
// read, watched and written to disk while newer ones are made.
type tree[T any] struct{ radix *iradix.Tree[T] }

func newTree[T any]() tree[T] { return tree[T]{iradix.New[T]()} }

func (t tree[T]) size() int { return t.radix.Len() }

func (t tree[T]) get(key string) (T, bool) { return t.radix.Get([]byte(key)) }

func (t tree[T]) has(key string) bool {
	_, ok := t.get(key)
	return ok
}

func (t *tree[T]) put(key string, v T) { t.radix, _, _ = t.radix.Insert([]byte(key), v) }

func (t *tree[T]) remove(key string) { t.radix, _, _ = t.radix.Delete([]byte(key)) }

// under yields the entries whose key begins with prefix, in the order of their keys.
func (t tree[T]) under(prefix string) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		it := t.radix.Root().Iterator()
		it.SeekPrefix([]byte(prefix))
		drain(it, yield)
	}
}

// from yields the entries whose key is not below lowest, in the order of their keys.
func (t tree[T]) from(lowest string) iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		it := t.radix.Root().Iterator()
		it.SeekLowerBound([]byte(lowest))
		drain(it, yield)
	}
}

func drain[T any](it *iradix.Iterator[T], yield func(string, T) bool) {
	for key, v, ok := it.Next(); ok; key, v, ok = it.Next() {
		if !yield(string(key), v) {
			return
		}
	}
}

// values drops the keys.
func values[T any](entries iter.Seq2[string, T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, v := range entries {
			if !yield(v) {
				return
			}
		}
	}
}
