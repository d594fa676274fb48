package state

import (
	"cmp"
	"slices"
	"strings"

	"github.com/grafnode/grafnode/api"
)

// Change names a record that a command created, changed or removed: what it is now stands in the state after the command.
// The counters of allowances are no change.
type Change struct {
	Kind api.RecordKind
	Key  string // the edge's name; else the node's, lease's or session's ID
}

func (c Change) compare(other Change) int {
	return cmp.Or(strings.Compare(string(c.Kind), string(other.Kind)), strings.Compare(c.Key, other.Key))
}

// move is what a command did to a record, as a draft notes it: what it was, and what it is; nil: not there.
type move struct {
	Change
	was, is shown
}

// moved notes that a record is another now, or gone, or new.
func (d *draft) moved(k api.RecordKind, key string, was, is shown) {
	d.moves = append(d.moves, move{Change{k, key}, was, is})
}

// there returns what a tree holds as a draft notes it.
func there[R shown](r R, ok bool) shown {
	if !ok {
		return nil
	}
	return r
}

// merged sorts moves and makes one of those of the same record: a command may touch one several times.
func merged(moves []move) []move {
	if len(moves) < 2 {
		return moves
	}
	slices.SortStableFunc(moves, func(a, b move) int { return a.compare(b.Change) })
	one := moves[:1]
	for _, m := range moves[1:] {
		if last := &one[len(one)-1]; last.Change == m.Change {
			last.is = m.is
		} else {
			one = append(one, m)
		}
	}
	return one
}

// changes returns what moves, each of another record, are of.
func changes(moves []move) []Change {
	if len(moves) == 0 {
		return nil
	}
	all := make([]Change, len(moves))
	for i, m := range moves {
		all[i] = m.Change
	}
	return all
}
