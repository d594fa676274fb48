package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/grafnode/grafnode/integration/history"
)

// Finding is something that must not be.
type Finding struct {
	Check string // which checker found it: edges, records, checkpoints, leases, watches
	What  string
}

// String returns one line.
func (f Finding) String() string { return f.Check + ": " + f.What }

// findings collects them. There is no end to what one mistake can break, so each checker's are bounded.
type findings []Finding

const findingsMax = 50

func (fs *findings) add(check, format string, args ...any) {
	if len(*fs) < findingsMax {
		*fs = append(*fs, Finding{check, fmt.Sprintf(format, args...)})
	}
}

// Judge returns all that is wrong with a history, nothing if it is right. Patience bounds the search for one order: not
// finding one in that time is a finding, too.
func Judge(h *history.History, patience time.Duration) []Finding {
	ix, all := newIndex(h)
	for _, check := range []func() findings{
		func() findings { return judgeRecords(h, ix) },
		func() findings { return judgeEdges(h, ix, patience) },
		func() findings { return judgeCheckpoints(h, patience) },
		func() findings { return judgeLeases(h, ix) },
		func() findings { return judgeWatches(h, ix) },
	} {
		all = append(all, check()...)
	}
	return all
}

// GroupOf returns the group that an edge belongs to: its name up to the first dot.
func GroupOf(edge string) string {
	group, _, _ := strings.Cut(edge, ".")
	return group
}
