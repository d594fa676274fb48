package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The plot's geometry, in the units of its viewBox.
const (
	plotWidth, plotHeight              = 1000, 330
	left, right, top, bottom   float64 = 64, 972, 64, 290
	labelRows                          = 2
	labelRowHeight, markRadius float64 = 17, 9
	ticksX, ticksY                     = 8, 4
)

// plot is the throughput over time, ready to be drawn.
type plot struct {
	Width, Height            int
	Left, Right, Top, Bottom float64
	Line, Area               string // SVG paths
	X, Y                     []tick
	Marks                    []mark
	Cut                      string // the highest rate, if it was cut off
}

// tick is a labelled grid line.
type tick struct {
	At    float64
	Label string
}

// mark is a kill: a vertical line with a number, and the gap that it tore as a band.
type mark struct {
	X, LabelY          float64
	Index, Number      int // of the failure, from 0 and from 1
	Label              string
	Anchor             string  // of the label: start or end
	LabelX             float64 // where it is anchored
	BandX, BandWidth   float64
	HasBand            bool
	BandLabel, Details string
}

// Depth returns the height of the plotting area.
func (p plot) Depth() float64 { return p.Bottom - p.Top }

// newPlot lays the report's samples and failures out.
func newPlot(r Report) plot {
	p := plot{Width: plotWidth, Height: plotHeight, Left: left, Right: right, Top: top, Bottom: bottom}
	seconds, peak := math.Max(r.Seconds, 0.1), 1.0
	step := 0.1
	if len(r.Throughput) > 1 {
		step = r.Throughput[1].AtSeconds - r.Throughput[0].AtSeconds
	}
	for _, s := range r.Throughput {
		peak = math.Max(peak, s.PerSecond)
		seconds = math.Max(seconds, s.AtSeconds+step)
	}
	if most := cutAbove * median(r.Throughput); most > 0 && peak > most {
		p.Cut, peak = number(math.Round(peak)), most
	}
	gridY := niceStep(peak / ticksY)
	peak = math.Ceil(peak/gridY) * gridY
	x := func(s float64) float64 { return left + (right-left)*s/seconds }
	y := func(v float64) float64 { return bottom - (bottom-top)*min(v, peak)/peak }

	for v := 0.0; v <= peak+gridY/2; v += gridY {
		p.Y = append(p.Y, tick{y(v), number(v)})
	}
	gridX := niceStep(seconds / ticksX)
	for s := 0.0; s <= seconds; s += gridX {
		p.X = append(p.X, tick{x(s), number(s) + " s"})
	}
	p.Line = steps(r.Throughput, step, x, y)
	if p.Line != "" {
		p.Area = fmt.Sprintf("%s V%.1f H%.1f Z", p.Line, bottom, x(r.Throughput[0].AtSeconds))
	}
	for i, f := range r.Failures {
		p.Marks = append(p.Marks, newMark(i, f, x))
	}
	return p
}

// cutAbove is the multiple of the usual rate above which the plot is cut off. What piled up during a failure is stored in one
// burst; drawn to its full height it would leave no room for the dips.
const cutAbove = 2.5

// median returns the median of the samples in which something was stored, 0 if there is none.
func median(samples []Sample) float64 {
	var rates []float64
	for _, s := range samples {
		if s.PerSecond > 0 {
			rates = append(rates, s.PerSecond)
		}
	}
	if len(rates) == 0 {
		return 0
	}
	slices.Sort(rates)
	return rates[len(rates)/2]
}

// steps returns the path of the samples as a staircase: each holds for its whole stretch.
func steps(samples []Sample, step float64, x, y func(float64) float64) string {
	var b strings.Builder
	for i, s := range samples {
		if i == 0 {
			fmt.Fprintf(&b, "M%.1f %.1f", x(s.AtSeconds), y(s.PerSecond))
		} else {
			fmt.Fprintf(&b, " V%.1f", y(s.PerSecond))
		}
		fmt.Fprintf(&b, " H%.1f", x(s.AtSeconds+step))
	}
	return b.String()
}

func newMark(i int, f Failure, x func(float64) float64) mark {
	m := mark{
		X: x(f.AtSeconds), Index: i, Number: i + 1, Label: f.What, Anchor: "start",
		LabelY:  top - 14 - labelRowHeight*float64((labelRows-1)-i%labelRows),
		Details: fmt.Sprintf("%s (%s) killed at %.1f s", f.What, f.Target, f.AtSeconds),
	}
	m.LabelX = m.X + markRadius + 4
	if m.X > right-120 {
		m.Anchor, m.LabelX = "end", m.X-markRadius-4
	}
	if f.SinkGap != nil {
		m.HasBand = true
		m.BandX = x(f.GapFromSeconds)
		m.BandWidth = math.Max(x(f.GapFromSeconds+*f.SinkGap/1000)-m.BandX, 1.5)
		m.BandLabel = duration(f.SinkGap)
		m.Details += ", nothing stored for " + m.BandLabel
	}
	return m
}

// niceStep returns the next of 1, 2, 5 times a power of ten that is not below v.
func niceStep(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= v {
			return m * power
		}
	}
	return 10 * power
}

// number writes v short: 1500000 as 1.5M.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return trim(v/1e6) + "M"
	case v >= 1e4:
		return trim(v/1e3) + "k"
	default:
		return trim(v)
	}
}

func trim(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}

// fine writes milliseconds of which a part may count.
func fine(ms float64) string {
	if ms < 1 {
		return fmt.Sprintf("%.2f ms", ms)
	}
	return duration(&ms)
}

// duration writes milliseconds, "–" for none.
func duration(ms *float64) string {
	switch {
	case ms == nil:
		return "–"
	case *ms >= 1000:
		return fmt.Sprintf("%.2f s", *ms/1000)
	case *ms >= 10:
		return fmt.Sprintf("%.0f ms", *ms)
	default:
		return fmt.Sprintf("%.1f ms", *ms)
	}
}
