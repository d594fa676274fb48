package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind is a kind of fault; its text is the name of a case.
type Kind string

// The kinds.
const (
	RingNode   Kind = "ring-node-killed/spare"
	RingAlone  Kind = "ring-node-killed/no-spare"
	Consumer   Kind = "consumer-killed"
	Producer   Kind = "producer-killed"
	HostSilent Kind = "host-silent/spare"
	LeaderToo  Kind = "leader-and-ring-killed/no-spare"
	Planned    Kind = "planned"
)

// Trait is what a kind of fault needs, and what is wanted of it.
type Trait struct {
	Kind  Kind
	What  string // for people
	Spare bool   // the producer keeps a spare
	// Standby is the stage of which a second process waits: "producer", "consumer" or none.
	Standby string
	// P50 and P99 are the targets: of the time to the first new item, or, if Pause, of the longest time between commits.
	P50, P99 time.Duration
	Pause    bool
	// Times is how much quicker than a peer this is to be; zero: there is nothing to compare.
	Times float64
}

const ms = time.Millisecond

// Traits lists all kinds, in the order in which they are measured.
var Traits = []Trait{
	{Kind: RingNode, What: "the node that has the ring gets SIGKILL; it does not lead", Spare: true, P50: 10 * ms, P99: 50 * ms, Times: 100},
	{Kind: RingAlone, What: "the same, by edge.Spare(false)", P50: 50 * ms, P99: 200 * ms, Times: 30},
	{Kind: Consumer, What: "the consumer's process gets SIGKILL; another waits on another node", Spare: true, Standby: "consumer", P50: 20 * ms, P99: 100 * ms},
	{Kind: Producer, What: "the producer's, likewise", Spare: true, Standby: "producer", P50: 20 * ms, P99: 100 * ms},
	{Kind: HostSilent, What: "the cable of the ring's host, where no stage runs, is pulled out", Spare: true, P50: 200 * ms, P99: 350 * ms},
	{Kind: LeaderToo, What: "the node that has the ring and leads gets SIGKILL", P50: 700 * ms, P99: 1500 * ms},
	{Kind: Planned, What: "an operator moves the ring; the time is the longest between commits", Spare: true, P50: 2 * ms, P99: 20 * ms, Pause: true},
}

// Of returns a kind's trait.
func Of(k Kind) (Trait, bool) {
	i := slices.IndexFunc(Traits, func(t Trait) bool { return t.Kind == k })
	if i < 0 {
		return Trait{}, false
	}
	return Traits[i], true
}

// Names returns the names of all kinds.
func Names() []string {
	names := make([]string, len(Traits))
	for i, t := range Traits {
		names[i] = string(t.Kind)
	}
	return names
}

// Parse takes names of kinds, each once, or beginnings that fit one or several; none: all kinds. The order is that of Traits.
func Parse(names []string) ([]Trait, error) {
	if len(names) == 0 {
		return slices.Clone(Traits), nil
	}
	wanted := map[Kind]bool{}
	for _, name := range names {
		found := false
		for _, t := range Traits {
			if t.Kind == Kind(name) || strings.HasPrefix(string(t.Kind), name+"/") {
				wanted[t.Kind], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("no fault %q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(Traits), func(t Trait) bool { return !wanted[t.Kind] }), nil
}
