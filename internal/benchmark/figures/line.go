package figures

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Line is what is said of one case: medians over the runs. A ratio is ours over the peer's, taken within each pair of runs, and
// of the ratios the median. Fields that a case does not have are left out.
type Line struct {
	Case    string `json:"case"`
	Against string `json:"against,omitempty"`
	// Value is ours: operations a second, or the p50 of a latency. Min and Max are those of the single runs.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Ratio float64 `json:"ratio,omitempty"`
	Runs  int     `json:"runs"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`

	P50      float64 `json:"p50,omitempty"` // latencies
	P99      float64 `json:"p99,omitempty"`
	P50MS    float64 `json:"p50_ms,omitempty"` // failures
	P99MS    float64 `json:"p99_ms,omitempty"`
	WorstMS  float64 `json:"worst_ms,omitempty"`
	RatioP99 float64 `json:"ratio_p99,omitempty"`
	RatioMin float64 `json:"ratio_min,omitempty"` // of Ratio, over the pairs
	RatioMax float64 `json:"ratio_max,omitempty"`
	Theirs   float64 `json:"peer,omitempty"` // the peer's Value
	PeerP99  float64 `json:"peer_p99,omitempty"`

	*Setting  // of the data plane's cases
	*Failures // of the cases of package failover
}

// Failures is what is said of faults beside how long they last: milliseconds, and items that were pushed while they came.
type Failures struct {
	SinkGapMS        float64            `json:"sink_gap_ms"` // p50 of the longest time between commits around a fault
	SinkGapP99MS     float64            `json:"sink_gap_p99_ms"`
	SinkGapWorstMS   float64            `json:"sink_gap_worst_ms"`
	RewireGapMS      float64            `json:"rewire_gap_ms,omitempty"` // of the gaps, the longest with a part in the rewire
	RewireGapWorstMS float64            `json:"rewire_gap_worst_ms,omitempty"`
	QuietGapMS       float64            `json:"quiet_gap_ms,omitempty"` // the same before the fault
	QuietGapP99MS    float64            `json:"quiet_gap_p99_ms,omitempty"`
	StoredMS         float64            `json:"stored_ms"` // p50 of the time until something that was pushed after the fault is committed
	StoredP99MS      float64            `json:"stored_p99_ms"`
	Lost             uint64             `json:"lost"`
	Doubled          uint64             `json:"doubled"`
	Missed           int                `json:"missed"`
	False            int                `json:"false"`
	Slow             uint64             `json:"slow"` // nodes that stages gave up for their silence and met again, see fabric/tcp.Silences
	Items            uint64             `json:"items"`
	Phases           map[string]float64 `json:"phases_ms,omitempty"`
	Places           map[string]int     `json:"places,omitempty"`
}

// Figure is one run of one side: a rate, or a latency's quantiles.
type Figure struct{ Value, P99 float64 }

// Pair is what was measured in turn: ours, then theirs, or the other way round. Without a peer Theirs is zero.
type Pair struct{ Ours, Theirs Figure }

// Sum sums pairs up. Latencies are those with a p99.
func Sum(name, against, unit string, pairs []Pair) Line {
	column := func(f func(Pair) float64) []float64 {
		var out []float64
		for _, p := range pairs {
			out = append(out, f(p))
		}
		slices.Sort(out)
		return out
	}
	values := column(func(p Pair) float64 { return p.Ours.Value })
	l := Line{Case: name, Against: against, Unit: unit, Runs: len(pairs),
		Value: Median(values), Min: values[0], Max: values[len(values)-1]}
	latency := pairs[0].Ours.P99 > 0
	if latency {
		l.P50, l.P99 = l.Value, Median(column(func(p Pair) float64 { return p.Ours.P99 }))
	}
	if against == "" {
		return l
	}
	ratios := column(func(p Pair) float64 { return p.Ours.Value / p.Theirs.Value })
	l.Ratio, l.RatioMin, l.RatioMax = Median(ratios), ratios[0], ratios[len(ratios)-1]
	l.Theirs = Median(column(func(p Pair) float64 { return p.Theirs.Value }))
	if latency {
		l.RatioP99 = Median(column(func(p Pair) float64 { return p.Ours.P99 / p.Theirs.P99 }))
		l.PeerP99 = Median(column(func(p Pair) float64 { return p.Theirs.P99 }))
	}
	return l
}

// Gaps sums up failures, milliseconds each.
func Gaps(name, against string, pairs []Pair) Line {
	l := Sum(name, against, "ms", pairs)
	var ours, theirs []float64
	for _, p := range pairs {
		ours, theirs = append(ours, p.Ours.Value), append(theirs, p.Theirs.Value)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	l.P50MS, l.P99MS, l.WorstMS = l.Value, Quantile(ours, .99), l.Max
	if against != "" {
		l.PeerP99 = Quantile(theirs, .99)
	}
	return l
}

// Median and Quantile are of a sorted slice that is not empty.
func Median(sorted []float64) float64 { return Quantile(sorted, .5) }

// Quantile returns the smallest value that is at or above a share q of all.
func Quantile(sorted []float64, q float64) float64 {
	i := int(q * float64(len(sorted)))
	return sorted[min(i, len(sorted)-1)]
}

// WriteJSON writes l as one line.
func (l Line) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(l)
}

// WriteTable writes lines for people.
func WriteTable(w io.Writer, against string, lines []Line) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if against == "" {
		fmt.Fprintln(t, "CASE\tGRAFNODE\tRUNS\tFROM TO")
	} else {
		fmt.Fprintf(t, "CASE\tGRAFNODE\t%s\tRATIO\tRUNS\tFROM TO\n", strings.ToUpper(against))
	}
	for _, l := range lines {
		row := func(what string, ours, peer, ratio float64) {
			fmt.Fprintf(t, "%s\t%s %s\t", what, Round(ours), l.Unit)
			switch {
			case against == "":
				fmt.Fprintf(t, "%d\t%s to %s\n", l.Runs, Round(l.Min), Round(l.Max))
			case ratio == 0: // there is no such thing to compare with
				fmt.Fprintf(t, "\t\t%d\t%s to %s %s\n", l.Runs, Round(l.Min), Round(l.Max), l.Unit)
			default:
				fmt.Fprintf(t, "%s %s\t%.2f\t%d\t%.2f to %.2f\n", Round(peer), l.Unit, ratio, l.Runs, l.RatioMin, l.RatioMax)
			}
		}
		switch {
		case l.P99 > 0:
			row(l.Case+" p50", l.P50, l.Theirs, l.Ratio)
			fmt.Fprintf(t, "%s p99\t%s %s\t", l.Case, Round(l.P99), l.Unit)
			if l.RatioP99 > 0 {
				fmt.Fprintf(t, "%s %s\t%.2f\t\t\n", Round(l.PeerP99), l.Unit, l.RatioP99)
			} else {
				fmt.Fprintln(t, "\t\t\t")
			}
		default:
			row(l.Case, l.Value, l.Theirs, l.Ratio)
		}
	}
	return t.Flush()
}

// Round keeps three digits or so.
func Round(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
