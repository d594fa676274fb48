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

// changed notes that a record is another now, or gone.
func (d *draft) changed(k api.RecordKind, key string) { d.changes = append(d.changes, Change{k, key}) }

// distinct sorts changes and drops repetitions: a command may touch a record several times.
func distinct(changes []Change) []Change {
	if len(changes) > 1 {
		slices.SortFunc(changes, Change.compare)
		changes = slices.Compact(changes)
	}
	return changes
}
