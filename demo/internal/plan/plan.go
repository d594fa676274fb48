// Package plan decides what the demo kills and when: a pure function of the list of victims and a seed.
package plan

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// What is a kind of victim.
type What string

// The victims.
const (
	RingNode What = "ring-node" // the node that holds the ring between parse and enrich
	Leader   What = "leader"    // the node that leads the Raft group
	Ingest   What = "ingest"    // a stage's process; of enrich, the working one
	Parse    What = "parse"
	Enrich   What = "enrich"
	Store    What = "store"
)

var all = []What{RingNode, Enrich, Store, Leader, Ingest, Parse}

// Default is the list of victims unless the user gives one.
var Default = []What{RingNode, Enrich, Store, Leader, Ingest}

// ParseList reads a comma-separated list of victims, or "none".
func ParseList(s string) ([]What, error) {
	if s == "none" {
		return nil, nil
	}
	var list []What
	for name := range strings.SplitSeq(s, ",") {
		w, err := parse(strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		list = append(list, w)
	}
	return list, nil
}

func parse(name string) (What, error) {
	for _, w := range all {
		if string(w) == name {
			return w, nil
		}
	}
	return "", fmt.Errorf("%q cannot be killed: a list of %s, or none", name, Join(all))
}

// Join returns the list as ParseList reads it.
func Join(list []What) string {
	names := make([]string, len(list))
	for i, w := range list {
		names[i] = string(w)
	}
	return strings.Join(names, ",")
}

// Kill is one kill of a plan. It is due when both hold: the store has done Progress of the input, and Pause has gone by since
// everything had recovered from the kill before. Progress only grows while items flow, so a kill hits a flow.
type Kill struct {
	What     What
	Progress float64 // 0 to 1
	Pause    time.Duration
}

// Make spreads the kills evenly over the input and then moves each at random, by the seed, within its share.
func Make(list []What, seed uint64) []Kill {
	rnd := rand.New(rand.NewPCG(seed, uint64(len(list))))
	kills := make([]Kill, len(list))
	share := 1 / float64(len(list)+1)
	for i, w := range list {
		kills[i] = Kill{
			What:     w,
			Progress: share * (float64(i) + 0.7 + 0.6*rnd.Float64()),
			Pause:    500*time.Millisecond + time.Duration(rnd.Int64N(int64(time.Second))),
		}
	}
	return kills
}
