package timeline

import (
	"slices"
	"time"
)

// rateOver is the span that a rate is taken over.
const rateOver = time.Second

// rate is a counter's recent past.
type rate struct {
	samples []sample
}

type sample struct {
	at    time.Time
	total uint64
}

// add notes the counter's value. The newest sample that is older than the span is kept: it is where the span begins.
func (r *rate) add(at time.Time, total uint64) {
	r.samples = append(r.samples, sample{at, total})
	old := 0
	for old+1 < len(r.samples) && at.Sub(r.samples[old+1].at) >= rateOver {
		old++
	}
	r.samples = slices.Delete(r.samples, 0, old)
}

// stale is how old the newest sample may be before its silence counts: stages report once a second.
const stale = 3 * rateOver / 2

// at returns the counter's growth per second over about the span that ends now.
func (r *rate) at(now time.Time) float64 {
	if len(r.samples) < 2 {
		return 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	until := last.at
	if now.Sub(until) > stale {
		first, until = last, now
	}
	return float64(last.total-first.total) / max(until.Sub(first.at), rateOver/10).Seconds()
}

// Point is a stretch of time and the items that the store committed in it.
type Point struct {
	From  time.Duration // since the start
	Items uint64
}

// Throughput returns what the store committed in each step from the start to the last commit.
func (t *Timeline) Throughput(step time.Duration) []Point {
	var points []Point
	for _, c := range t.commits {
		i := int(max(c.at.Sub(t.start), 0) / step)
		for len(points) <= i {
			points = append(points, Point{From: time.Duration(len(points)) * step})
		}
		points[i].Items += c.items
	}
	return points
}
