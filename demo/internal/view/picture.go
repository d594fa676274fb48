package view

import (
	"fmt"
	"strings"
	"time"
)

// picture returns the lines that are redrawn: the progress, then an edge a line.
func (v *View) picture(now time.Time) []string {
	lines := []string{"", v.bar(now), "", fmt.Sprintf("  %-20s %10s %11s  %s", "edge", "items/s", "generation", "ring on")}
	for _, e := range v.t.Edges() {
		generation := "-"
		if e.Generation != 0 {
			generation = e.Generation.String()
		}
		lines = append(lines, fmt.Sprintf("  %-20s %10.0f %11s  %s", e.Name, e.Rate(now), generation, orNone(e.Node)))
	}
	return append(lines, fmt.Sprintf("  leader %s, %d kills, %d repeats dropped",
		orNone(v.t.Leader()), v.t.Kills(), v.t.Repeats()))
}

// bar returns the progress bar, as wide as the terminal lets it be.
func (v *View) bar(now time.Time) string {
	text := fmt.Sprintf(" %3.0f %%  line %d of %d  %.1f s", 100*v.done(), v.t.Line(), v.lines, now.Sub(v.t.Start()).Seconds())
	cells := min(max(v.width()-len(text)-4, 10), 60)
	full := min(int(v.done()*float64(cells)), cells)
	return "  " + strings.Repeat("█", full) + strings.Repeat("░", cells-full) + text
}
