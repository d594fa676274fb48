package streamtest

import (
	"testing"
)

// Same fails t unless got is want: it says what is lost, what is there too often, and what is not in its place.
func Same[T comparable](t testing.TB, want, got []T) {
	t.Helper()
	if !sameItems(t, want, got) {
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("item %d of %d is %v, want %v: not in order", i, len(want), got[i], want[i])
			return
		}
	}
}

// SameInAnyOrder is Same for the items of several lanes, between which there is no order.
func SameInAnyOrder[T comparable](t testing.TB, want, got []T) {
	t.Helper()
	sameItems(t, want, got)
}

func sameItems[T comparable](t testing.TB, want, got []T) bool {
	t.Helper()
	lost, more := without(want, got), without(got, want)
	if len(lost)+len(more) == 0 {
		return true
	}
	const shown = 5
	t.Errorf("of %d items %d are lost %v, and %d are there too often or wrong %v", len(want), len(lost), lost[:min(shown, len(lost))],
		len(more), more[:min(shown, len(more))])
	return false
}

// without returns the items of a that b has no more of, in their order.
func without[T comparable](a, b []T) (rest []T) {
	count := map[T]int{}
	for _, v := range b {
		count[v]++
	}
	for _, v := range a {
		if count[v]--; count[v] < 0 {
			rest = append(rest, v)
		}
	}
	return rest
}
