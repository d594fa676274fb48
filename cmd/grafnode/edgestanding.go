package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

// standingEdge is an edge and how it stands.
type standingEdge struct {
	api.Edge
	Standing api.Standing `json:"standing"`
}

func standings(edges []api.Edge, r api.Reports) []standingEdge {
	all := make([]standingEdge, 0, len(edges))
	for _, e := range edges {
		all = append(all, standingEdge{e, api.StandingOf(e, r.Sides)})
	}
	return all
}

// reports asks what the stages have reported. It says on stderr what is missing in it; the records are good without.
func (r *remote) reports(ctx context.Context, cmd *cobra.Command, a *client.API, prefix string, traces bool) api.Reports {
	all, err := a.Reports(ctx, prefix, traces)
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "how the edges stand is not known: %v\n", err)
	}
	for _, n := range all.Unheard {
		fmt.Fprintf(cmd.ErrOrStderr(), "not heard: node %s (%s): %s; what its stages have reported is missing\n", cmp.Or(n.Name, string(n.Node)),
			short(n.Node), n.Why)
	}
	return all
}

const standingHead = "EDGE\tSTATE\tLAG\tGENERATION\tNODE\tZONE\tSPARE\tPRODUCER\tCONSUMER\tREASON\tCHANGED"

func standingRow(w io.Writer, e standingEdge) {
	fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, standingText(e.Standing), lagText(e.Standing), e.Generation,
		short(e.Locator.Node), dash(e.Locator.Zone), spare(e.Spare), holder(e.Producer), holder(e.Consumer), dash(e.Reason), when(e.Changed))
}

// standingText is the state in a word; of what ought not to last, with since when.
func standingText(s api.Standing) string {
	if s.State == api.StateFlowing || s.Since.IsZero() {
		return dash(s.State)
	}
	return fmt.Sprintf("%s since %s", s.State, clock(s.Since))
}

func lagText(s api.Standing) string {
	if s.Producer == nil {
		return "-"
	}
	return fmt.Sprintf("%d / %s", s.Items, took(s.Lag))
}

// standingDetail prints what each side says.
func standingDetail(w io.Writer, s api.Standing, now time.Time) {
	fmt.Fprintf(w, "state\t%s\n", dash(s.State))
	if s.Producer != nil {
		fmt.Fprintf(w, "lag\t%d items (%s) not acknowledged, %s\n", s.Items, size(s.Bytes), took(s.Lag))
	}
	for _, side := range []struct {
		name string
		said *api.SideReport
		held string
	}{{"pushing", s.Producer, "retained"}, {"popping", s.Consumer, "in hand"}} {
		r := side.said
		if r == nil {
			fmt.Fprintf(w, "%s\t-\n", side.name)
			continue
		}
		fmt.Fprintf(w, "%s\t%s since %s (%s), generation %d, %d items %s; %s ago\n", side.name, dash(r.State), clock(r.Since),
			took(now.Sub(r.Since)), r.Generation, r.Retained, side.held, took(r.Age))
	}
}

// clock is when on the day.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("15:04:05.000")
}

// took prints a duration with three digits.
func took(d time.Duration) string {
	switch {
	case d < 0:
		return "-"
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.3gs", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3gms", float64(d)/float64(time.Millisecond))
	default:
		return fmt.Sprintf("%dµs", d.Microseconds())
	}
}
