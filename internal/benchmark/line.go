package benchmark

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
	Peer     float64 `json:"peer,omitempty"` // the peer's Value
	PeerP99  float64 `json:"peer_p99,omitempty"`
}

// figure is one run of one side: a rate, or a latency's quantiles.
type figure struct{ value, p99 float64 }

// pair is what was measured in turn: ours, then theirs, or the other way round. Without a peer theirs is zero.
type pair struct{ ours, theirs figure }

// lineOf sums pairs up. Latencies are those with a p99.
func lineOf(name, against, unit string, pairs []pair) Line {
	column := func(f func(pair) float64) []float64 {
		var out []float64
		for _, p := range pairs {
			out = append(out, f(p))
		}
		slices.Sort(out)
		return out
	}
	values := column(func(p pair) float64 { return p.ours.value })
	l := Line{Case: name, Against: against, Unit: unit, Runs: len(pairs),
		Value: median(values), Min: values[0], Max: values[len(values)-1]}
	latency := pairs[0].ours.p99 > 0
	if latency {
		l.P50, l.P99 = l.Value, median(column(func(p pair) float64 { return p.ours.p99 }))
	}
	if against == "" {
		return l
	}
	ratios := column(func(p pair) float64 { return p.ours.value / p.theirs.value })
	l.Ratio, l.RatioMin, l.RatioMax = median(ratios), ratios[0], ratios[len(ratios)-1]
	l.Peer = median(column(func(p pair) float64 { return p.theirs.value }))
	if latency {
		l.RatioP99 = median(column(func(p pair) float64 { return p.ours.p99 / p.theirs.p99 }))
		l.PeerP99 = median(column(func(p pair) float64 { return p.theirs.p99 }))
	}
	return l
}

// gapLine sums up failures, milliseconds each.
func gapLine(name, against string, pairs []pair) Line {
	l := lineOf(name, against, "ms", pairs)
	var ours, theirs []float64
	for _, p := range pairs {
		ours, theirs = append(ours, p.ours.value), append(theirs, p.theirs.value)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	l.P50MS, l.P99MS, l.WorstMS = l.Value, quantile(ours, .99), l.Max
	if against != "" {
		l.PeerP99 = quantile(theirs, .99)
	}
	return l
}

// median and quantile are of a sorted slice that is not empty.
func median(sorted []float64) float64 { return quantile(sorted, .5) }

// quantile returns the smallest value that is at or above a share q of all.
func quantile(sorted []float64, q float64) float64 {
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
			fmt.Fprintf(t, "%s\t%s %s\t", what, round(ours), l.Unit)
			switch {
			case against == "":
				fmt.Fprintf(t, "%d\t%s to %s\n", l.Runs, round(l.Min), round(l.Max))
			case ratio == 0: // there is no such thing to compare with
				fmt.Fprintf(t, "\t\t%d\t%s to %s %s\n", l.Runs, round(l.Min), round(l.Max), l.Unit)
			default:
				fmt.Fprintf(t, "%s %s\t%.2f\t%d\t%.2f to %.2f\n", round(peer), l.Unit, ratio, l.Runs, l.RatioMin, l.RatioMax)
			}
		}
		switch {
		case l.P99 > 0:
			row(l.Case+" p50", l.P50, l.Peer, l.Ratio)
			fmt.Fprintf(t, "%s p99\t%s %s\t", l.Case, round(l.P99), l.Unit)
			if l.RatioP99 > 0 {
				fmt.Fprintf(t, "%s %s\t%.2f\t\t\n", round(l.PeerP99), l.Unit, l.RatioP99)
			} else {
				fmt.Fprintln(t, "\t\t\t")
			}
		default:
			row(l.Case, l.Value, l.Peer, l.Ratio)
		}
	}
	return t.Flush()
}

// round keeps three digits or so.
func round(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
