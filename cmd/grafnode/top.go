package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

// topLinesDefault is how many lines a screen has of which nothing is known.
const topLinesDefault = 24

func newTop() *cobra.Command {
	r := &remote{}
	var every time.Duration
	var rounds int
	cmd := r.flags(&cobra.Command{
		Use:   "top [PREFIX]",
		Short: "Nodes and edges as they are now, again and again",
		Long: `Shows the nodes and the edges, or those whose name begins with PREFIX: what needs a look first, then the busiest. RATE is
items a second that the consumer took, over the last interval. Ctrl-C ends it. Where the output is no terminal, one picture follows
the other.`,
		Example: "  grafnode top\n  grafnode top access-log. --every 5s",
		Args:    between(0, "PREFIX"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every < 100*time.Millisecond {
				return usagef("%s: --every %v: must be 100ms or more", cmd.CommandPath(), every)
			}
			prefix := strings.Join(args, "")
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				return r.top(ctx, cmd, a, prefix, every, rounds)
			})
		},
	})
	cmd.Flags().DurationVar(&every, "every", time.Second, "how often to look")
	cmd.Flags().IntVar(&rounds, "rounds", 0, "look that often, then end; 0: until Ctrl-C")
	return cmd
}

// top shows one picture after the other. A node that does not answer is told of, and asked again.
func (r *remote) top(ctx context.Context, cmd *cobra.Command, a *client.API, prefix string, every time.Duration, rounds int) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var before topView
	for round := 1; ; round++ {
		now, err := lookFromTop(ctx, a, prefix)
		if ctx.Err() != nil { // whoever has seen enough need not wait for an answer
			return nil
		}
		if err != nil && round == rounds {
			return err
		}
		if err := r.showTop(cmd.OutOrStdout(), now, before, err); err != nil {
			return err
		}
		if round == rounds {
			return nil
		}
		if err == nil {
			before = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// topView is what is to be seen at one time.
type topView struct {
	At      time.Time      `json:"at"`
	Nodes   []api.Node     `json:"nodes"`
	Edges   []standingEdge `json:"edges"`
	Unheard []api.Unheard  `json:"unheard,omitempty"`
}

func lookFromTop(ctx context.Context, a *client.API, prefix string) (v topView, err error) {
	if v.Nodes, err = a.Nodes(ctx, api.Stale); err != nil {
		return v, err
	}
	edges, err := a.Edges(ctx, prefix, api.Stale)
	if err != nil {
		return v, err
	}
	reports, err := a.Reports(ctx, prefix, false)
	if errors.Is(err, api.ErrForbidden) {
		err = nil // records without what stages say are better than nothing
	}
	v.At, v.Edges, v.Unheard = time.Now(), standings(edges, reports), reports.Unheard
	return v, err
}

// showTop writes a picture: over the last one in a terminal, and no longer than that.
func (r *remote) showTop(out io.Writer, now, before topView, trouble error) error {
	if r.json {
		return json.NewEncoder(out).Encode(now)
	}
	var b bytes.Buffer
	if trouble != nil {
		fmt.Fprintf(&b, "%s  no answer: %v\n", clock(time.Now()), trouble)
	} else {
		now.draw(&b, before)
	}
	lines := strings.SplitAfter(b.String(), "\n")
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil {
			width, height = 80, topLinesDefault
		}
		lines = fit(lines, width, height-1)
		_, err = io.WriteString(out, "\x1b[H\x1b[2J"+strings.Join(lines, ""))
		return err
	}
	_, err := io.WriteString(out, strings.Join(lines, "")+"\n")
	return err
}

// fit cuts lines to a screen.
func fit(lines []string, width, height int) []string {
	lines = slices.Clone(lines)
	if more := len(lines) - (height - 1); more > 1 {
		lines = append(lines[:height-1], fmt.Sprintf("... %d more\n", more))
	}
	for i, line := range lines {
		if text := []rune(strings.TrimSuffix(line, "\n")); len(text) > width {
			lines[i] = string(text[:width]) + "\n"
		}
	}
	return lines
}

// draw writes v as text. Rates are over the time since before, if that is anything.
func (v topView) draw(out io.Writer, before topView) {
	leader := "nobody leads"
	well := 0
	for _, n := range v.Nodes {
		if n.Leader {
			leader = cmp.Or(n.Name, short(n.ID)) + " leads"
		}
		if n.Health == "alive" {
			well++
		}
	}
	fmt.Fprintf(out, "%s  %d of %d nodes alive, %s; %d edges\n\n", clock(v.At), well, len(v.Nodes), leader, len(v.Edges))
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tZONE\tHEALTH\tROLE\tLENT\tCLOSED")
	for _, n := range v.Nodes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s of %s\t%s\n", dash(cmp.Or(n.Name, short(n.ID))), dash(n.Zone), n.Health, raftRole(n), size(n.Leased),
			size(n.Memory), dash(closed(n)))
	}
	w.Flush()
	fmt.Fprintln(out)
	fmt.Fprintln(w, "EDGE\tSTATE\tRATE\tLAG\tGENERATION\tNODE\tSPARE\tPRODUCER\tCONSUMER")
	rates := v.rates(before)
	for _, e := range v.ordered(rates) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", e.Name, standingText(e.Standing), rateText(rates, e.Name), lagText(e.Standing),
			e.Generation, short(e.Locator.Node), spare(e.Spare), holder(e.Producer), holder(e.Consumer))
	}
	w.Flush()
	for _, n := range v.Unheard {
		fmt.Fprintf(out, "not heard: node %s: %s\n", cmp.Or(n.Name, short(n.Node)), n.Why)
	}
}

// rates returns what consumers took since before, in items a second, of those that are the same.
func (v topView) rates(before topView) map[string]float64 {
	took := map[string]uint64{}
	for _, e := range before.Edges {
		if c := e.Standing.Consumer; c != nil {
			took[e.Name+" "+string(c.Session)] = c.Items
		}
	}
	rates := map[string]float64{}
	for _, e := range v.Edges {
		c := e.Standing.Consumer
		if c == nil {
			continue
		}
		if was, ok := took[e.Name+" "+string(c.Session)]; ok && c.Items >= was {
			rates[e.Name] = float64(c.Items-was) / v.At.Sub(before.At).Seconds()
		}
	}
	return rates
}

// ordered returns the edges, those first that do not flow, then by their rate.
func (v topView) ordered(rates map[string]float64) []standingEdge {
	all := slices.Clone(v.Edges)
	slices.SortStableFunc(all, func(a, b standingEdge) int {
		return cmp.Or(
			-cmp.Compare(slices.Index(api.EdgeStates(), a.Standing.State), slices.Index(api.EdgeStates(), b.Standing.State)),
			-cmp.Compare(rates[a.Name], rates[b.Name]),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return all
}

func rateText(rates map[string]float64, name string) string {
	rate, ok := rates[name]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.0f/s", rate)
}
