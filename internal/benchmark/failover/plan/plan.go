package plan

import (
	"math/rand/v2"
	"time"
)

// Round is a number of faults of one kind, one after the other, under one load. Each round has stages of its own, and an edge.
type Round struct {
	Trait
	Rate   float64         // items a second; zero: as many as go
	Pauses []time.Duration // how long all is well before each fault
	Peers  int             // how many faults of the peer are measured after it
}

// PeerPauses are those of the peer's faults.
func (r Round) PeerPauses() []time.Duration {
	pauses := make([]time.Duration, r.Peers)
	for i := range pauses {
		pauses[i] = r.Pauses[i%len(r.Pauses)]
	}
	return pauses
}

// Case is the round's name.
func (r Round) Case() string {
	if r.Rate == 0 {
		return string(r.Kind) + "/full"
	}
	return string(r.Kind)
}

// Pauses last from pauseMin to half as long again: a ring is to have been in use for a while when it is lost (a ring that is lost
// within a second is not replaced at once), and faults are not to keep step with anything.
const pauseMin = 1050 * time.Millisecond

// Make plans runs faults of each kind at a rate, and full at full speed, with peers of the peer's spread over all of it.
func Make(kinds []Trait, runs, full int, rate float64, peers int, seed uint64) (rounds []Round) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	for _, t := range kinds {
		for _, load := range []struct {
			rate float64
			n    int
		}{{rate, runs}, {0, full}} {
			if load.n == 0 {
				continue
			}
			r := Round{Trait: t, Rate: load.rate, Pauses: make([]time.Duration, load.n)}
			for i := range r.Pauses {
				r.Pauses[i] = pauseMin + time.Duration(rnd.Int64N(int64(pauseMin/2)))
			}
			rounds = append(rounds, r)
		}
	}
	for i := range rounds {
		rounds[i].Peers = peers*(i+1)/len(rounds) - peers*i/len(rounds)
	}
	return rounds
}
