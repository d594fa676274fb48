package plan

import (
	"cmp"
	"slices"
	"time"
)

// Sample is what was measured of one fault.
type Sample struct {
	Missed bool // nothing followed within the time that there was; what else is said here is of no use
	// First is from the fault until the consumer took its first new item from a ring of a later generation.
	First time.Duration
	// Stored is from the fault until an item was committed at the sink that was pushed after the fault.
	Stored time.Duration
	// Gap is the longest time between commits, of those that a time between began, ended or lay in what was watched.
	Gap time.Duration
	// Quiet is the same of a while before the fault.
	Quiet time.Duration
	// Rewire is the same of the time in which the producer had no ring: from when it left the old one until the first new item.
	Rewire time.Duration
	Place  string // where the ring lay
	Phases []Phase
}

// Phase is when something had happened on the way.
type Phase struct {
	Name  string
	At    time.Duration // from the fault
	After time.Duration // from what had happened just before it after the same fault; set by Sum
}

// Spread is what is said of a number of times.
type Spread struct{ P50, P99, Worst time.Duration }

// SpreadOf returns the spread of times, which it sorts: zero of none. A quantile is the smallest time that is at or above that
// share of all, so of fewer than a hundred the p99 is the worst.
func SpreadOf(times []time.Duration) Spread {
	if len(times) == 0 {
		return Spread{}
	}
	slices.Sort(times)
	at := func(q float64) time.Duration { return times[min(int(q*float64(len(times))), len(times)-1)] }
	return Spread{P50: at(.5), P99: at(.99), Worst: times[len(times)-1]}
}

// Summary is what is said of a round, or of several of one kind.
type Summary struct {
	Runs, Missed              int
	First, Stored, Gap, Quiet Spread
	Rewire                    Spread
	Phases                    []Phase        // medians, in the order of time
	Places                    map[string]int // how many faults hit a ring there
	Samples                   []Sample
}

// Sum sums samples up.
func Sum(samples []Sample) Summary {
	s := Summary{Runs: len(samples), Places: map[string]int{}, Samples: samples}
	var first, stored, gap, quiet, rewire []time.Duration
	phases, after := map[string][]time.Duration{}, map[string][]time.Duration{}
	for _, m := range samples {
		if m.Missed {
			s.Missed++
			continue
		}
		first, stored, gap, quiet = append(first, m.First), append(stored, m.Stored), append(gap, m.Gap), append(quiet, m.Quiet)
		rewire = append(rewire, m.Rewire)
		s.Places[m.Place]++
		before := time.Duration(0)
		for _, p := range inTime(m.Phases) {
			phases[p.Name], after[p.Name] = append(phases[p.Name], p.At), append(after[p.Name], p.At-before)
			before = p.At
		}
	}
	s.First, s.Stored, s.Gap, s.Quiet = SpreadOf(first), SpreadOf(stored), SpreadOf(gap), SpreadOf(quiet)
	s.Rewire = SpreadOf(rewire)
	for name, times := range phases {
		s.Phases = append(s.Phases, Phase{Name: name, At: SpreadOf(times).P50, After: SpreadOf(after[name]).P50})
	}
	s.Phases = inTime(s.Phases)
	return s
}

// inTime returns phases in the order of time.
func inTime(of []Phase) []Phase {
	return slices.SortedFunc(slices.Values(of), func(a, b Phase) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
}

// Judged returns the times that the targets are of.
func (t Trait) Judged(s Summary) Spread {
	if t.Pause {
		return s.Gap
	}
	return s.First
}

// Met reports whether the targets are met: by a round without a miss.
func (t Trait) Met(s Summary) (p50, p99 bool) {
	is := t.Judged(s)
	well := s.Missed == 0 && s.Runs > 0
	return well && is.P50 <= t.P50, well && is.P99 <= t.P99
}
