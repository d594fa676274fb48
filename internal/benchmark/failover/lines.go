package failover

import (
	"slices"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
)

const milli = float64(time.Millisecond)

// Lines are the rows for programs, and one of the peer's own. A ratio is that of the medians of the time to what was pushed after the fault:
// ours and the peer's faults are spread over the same run, but do not come in pairs.
func (r *Report) Lines() []figures.Line {
	var lines []figures.Line
	for _, row := range r.Rows {
		l := row.line()
		if r.Peer != nil && row.Times > 0 {
			theirs := r.Peer.row()
			l.Against, l.Theirs, l.PeerP99 = JetStream, float64(theirs.Stored.P50)/milli, float64(theirs.Stored.P99)/milli
			l.Ratio, l.RatioP99 = float64(row.Stored.P50)/float64(theirs.Stored.P50), float64(row.Stored.P99)/float64(theirs.Stored.P99)
		}
		lines = append(lines, l)
	}
	if r.Peer != nil {
		lines = append(lines, r.Peer.row().line())
	}
	return lines
}

// line is a row for programs.
func (w Row) line() figures.Line {
	is := w.Judged(w.Summary)
	var all []float64
	for _, m := range w.Samples {
		if !m.Missed {
			v := m.First
			if w.Pause {
				v = m.Gap
			}
			all = append(all, float64(v)/milli)
		}
	}
	l := figures.Line{Case: w.Case(), Unit: "ms", Runs: w.Runs, Failures: &figures.Failures{
		Lost: w.Account.Lost, Doubled: w.Account.Doubled, Missed: w.Missed, False: w.Alarms, Slow: w.Slow, Items: w.Pushed,
		SinkGapMS: float64(w.Gap.P50) / milli, SinkGapP99MS: float64(w.Gap.P99) / milli, SinkGapWorstMS: float64(w.Gap.Worst) / milli,
		RewireGapMS: float64(w.Rewire.P50) / milli, RewireGapWorstMS: float64(w.Rewire.Worst) / milli,
		QuietGapMS: float64(w.Quiet.P50) / milli, QuietGapP99MS: float64(w.Quiet.P99) / milli,
		StoredMS: float64(w.Stored.P50) / milli, StoredP99MS: float64(w.Stored.P99) / milli,
		Phases: map[string]float64{}, Places: w.Places,
	}}
	for _, p := range w.Phases {
		l.Phases[p.Name] = float64(p.At) / milli
	}
	if len(all) > 0 {
		l.Min, l.Max, l.Value = slices.Min(all), slices.Max(all), float64(is.P50)/milli
		l.P50MS, l.P99MS, l.WorstMS = l.Value, float64(is.P99)/milli, l.Max
	}
	return l
}
