package figures

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Setting is what a figure of the data plane means nothing without.
type Setting struct {
	Payload   string `json:"payload"`                // of one record
	Placement string `json:"placement"`              // which process runs where
	Waiting   string `json:"waiting"`                // what ours does when there is nothing to read, or no room
	Checks    string `json:"checks"`                 // what ours verifies of what it reads
	PeerSet   string `json:"peer_setting,omitempty"` // how the peer was set up
}

// WriteSettings writes lines that may each be against another peer, and what each was measured with, for people.
func WriteSettings(w io.Writer, lines []Line) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CASE\tAGAINST\tGRAFNODE\tPEER\tRATIO\tFROM TO\tPAYLOAD\tPLACEMENT\tWAITING\tCHECKS\tPEER'S SETTING")
	for _, l := range lines {
		row := func(what string, ours, peer, ratio float64, spread string) {
			fmt.Fprintf(t, "%s\t%s\t%s %s\t", what, l.Against, Round(ours), l.Unit)
			if ratio == 0 {
				fmt.Fprintf(t, "\t\t%s to %s\t", Round(l.Min), Round(l.Max))
			} else {
				fmt.Fprintf(t, "%s %s\t%.2f\t%s\t", Round(peer), l.Unit, ratio, spread)
			}
			if s := l.Setting; s != nil {
				fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s", s.Payload, s.Placement, s.Waiting, s.Checks, s.PeerSet)
			}
			fmt.Fprintln(t)
		}
		spread := fmt.Sprintf("%.2f to %.2f", l.RatioMin, l.RatioMax)
		if l.P99 == 0 {
			row(l.Case, l.Value, l.Theirs, l.Ratio, spread)
			continue
		}
		row(l.Case+" p50", l.P50, l.Theirs, l.Ratio, spread)
		row(l.Case+" p99", l.P99, l.PeerP99, l.RatioP99, "")
	}
	return t.Flush()
}
