package state

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// version is a tree and what must be in it.
type version struct {
	tree tree[text, int]
	want map[text]int
}

func (v version) check(t require.TestingT, lowest text) {
	require.Equal(t, len(v.want), v.tree.size())
	got, keys := map[text]int{}, []text{}
	for k, n := range v.tree.all() {
		got[k], keys = n, append(keys, k)
	}
	require.Equal(t, v.want, got)
	require.True(t, slices.IsSorted(keys))
	var above []text
	for k := range v.tree.from(lowest) {
		above = append(above, k)
	}
	i, _ := slices.BinarySearch(keys, lowest)
	require.Equal(t, keys[i:], append([]text{}, above...))
	for k, n := range v.want {
		is, ok := v.tree.get(k)
		require.True(t, ok && is == n, "%s", k)
	}
	_, ok := v.tree.get("absent")
	require.False(t, ok)
}

// A tree is a map in order, and every version of it stays as it was, whatever is made of it.
func TestTreeIsAnOrderedMapInVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := []version{{want: map[text]int{}}}
		names := rapid.IntRange(2, 800).Draw(t, "names")
		key := func() text { return text(fmt.Sprintf("%03d", rapid.IntRange(0, names).Draw(t, "key"))) }
		for range rapid.IntRange(1, 6).Draw(t, "edits") {
			was := rapid.SampledFrom(versions).Draw(t, "version")
			next, by := version{was.tree, maps.Clone(was.want)}, new(edit)
			remove := rapid.IntRange(0, 3).Draw(t, "of four, removals")
			for i := range rapid.IntRange(0, 300).Draw(t, "length") {
				k := key()
				if i%4 < remove {
					next.tree.remove(by, k)
					delete(next.want, k)
				} else {
					next.tree.put(by, k, i)
					next.want[k] = i
				}
			}
			versions = append(versions, next)
		}
		lowest := key()
		for _, v := range versions {
			v.check(t, lowest)
		}
	})
}

func TestKeysInOrderFillTheirNodes(t *testing.T) {
	var v tree[text, int]
	by, nodes := new(edit), 0
	for i := range fan * fan * fan {
		v.put(by, text(fmt.Sprintf("%06d", i)), i)
	}
	root := v.root.(*inner[text, int])
	for _, n := range root.vals[:root.n] {
		nodes += n.width()
	}
	require.Equal(t, fan*fan, nodes)
	for i := range fan * fan * fan {
		v.remove(by, text(fmt.Sprintf("%06d", i)))
	}
	require.Equal(t, tree[text, int]{}, v)
}

func TestQueueIsAListInVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type version struct {
			q    queue[int]
			want []int
		}
		versions := []version{{}}
		for i := range rapid.IntRange(1, 100).Draw(t, "length") {
			v := rapid.SampledFrom(versions[max(0, len(versions)-3):]).Draw(t, "version")
			if len(v.want) > 0 && rapid.IntRange(0, 2).Draw(t, "pop") == 0 {
				first, rest := v.q.pop()
				require.Equal(t, v.want[0], first)
				v = version{rest, v.want[1:]}
			} else {
				v = version{v.q.push(i), append(slices.Clip(v.want), i)}
			}
			versions = append(versions, v)
		}
		for _, v := range versions {
			require.Equal(t, len(v.want), v.q.size())
			got, again := slices.Collect(v.q.all()), slices.Collect(queueOf(v.want).all())
			require.True(t, slices.Equal(v.want, got) && slices.Equal(v.want, again))
			if len(v.want) > 0 {
				require.Equal(t, v.want[len(v.want)-1], v.q.newest())
			}
		}
	})
}
