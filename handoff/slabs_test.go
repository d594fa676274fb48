package handoff

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSlabsKeep compares what is kept with copies of it, while payloads of all sizes come and go.
func TestSlabsKeep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s slabs
		var kept, want [][]byte
		n, most := byte(0), 0
		size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(0, 9000), rapid.IntRange(0, 200<<10))
		t.Repeat(map[string]func(*rapid.T){
			"keep": func(t *rapid.T) {
				n++
				p := bytes.Repeat([]byte{n}, size.Draw(t, "size"))
				want = append(want, bytes.Clone(p))
				switch rapid.IntRange(0, 2).Draw(t, "how") {
				case 0:
					p = append(s.room(len(p)), p...)
				case 1:
					p = append(s.room(len(p)/2), p...) // outgrows what it asked for
				}
				kept = append(kept, s.keep(p))
			},
			"drop": func(t *rapid.T) {
				if len(kept) > 0 {
					s.drop(kept[0])
					kept, want = kept[1:], want[1:]
				}
			},
			"": func(t *rapid.T) {
				live := 0
				for i := range kept {
					require.True(t, bytes.Equal(want[i], kept[i]))
					live += len(kept[i])
				}
				most = max(most, live)
				for _, u := range s.used[:max(0, len(s.used)-1)] {
					require.Positive(t, u.live)
				}
			},
		})
		for _, p := range kept {
			s.drop(p)
		}
		require.LessOrEqual(t, len(s.used), 1)
	})
}

func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue[int]
		var want []int
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(*rapid.T) { q.push(next); want = append(want, next); next++ },
			"drop": func(t *rapid.T) {
				n := rapid.IntRange(0, len(want)).Draw(t, "n")
				q.drop(n)
				want = want[n:]
			},
			"delete": func(*rapid.T) {
				q.deleteFunc(func(v int) bool { return v%3 == 0 })
				var kept []int
				for _, v := range want {
					if v%3 != 0 {
						kept = append(kept, v)
					}
				}
				want = kept
			},
			"": func(t *rapid.T) {
				c := q.clone()
				require.Equal(t, len(want), c.len())
				for i, v := range want {
					require.Equal(t, v, *c.at(i))
				}
			},
		})
	})
}
