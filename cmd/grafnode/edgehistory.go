package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/fence"
)

func newEdgeHistory() *cobra.Command {
	r := &remote{}
	return r.flags(&cobra.Command{
		Use:   "history NAME",
		Short: "An edge's last changes, why they were made, and how its stages followed",
		Long: `Lists an edge's last changes, oldest first. SPARE is the generation of the spare that it had from then on.

Under the change that made a generation stands how each side came to its ring: when it noticed that the last one is lost or left,
and how long after that it had decided for this one, attached it, resumed there, and had a first new item through. Stages report that to
their nodes, which keep the last eight of each side until they stop; it is not in the registry. Nodes that cannot be asked are named on
stderr.`,
		Example: `  grafnode edge history access-log.parse`,
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				changes, err := a.History(ctx, args[0])
				if err != nil {
					return err
				}
				told := followed(changes, r.reports(ctx, cmd, a, args[0], true).Traces, args[0])
				if r.json {
					return r.show(cmd, told, "", nil)
				}
				_, err = io.WriteString(cmd.OutOrStdout(), historyText(told))
				return err
			})
		},
	})
}

// followedChange is a change, and how the edge's sides came to its ring.
type followedChange struct {
	api.Change
	Rewires []api.Trace `json:"rewires,omitempty"`
}

// followed puts each trace to the first change that has its generation. A ring that no change tells of was left before the registry heard of it: its
// trace goes to the last change before.
func followed(changes []api.Change, traces []api.Trace, name string) []followedChange {
	all := make([]followedChange, len(changes))
	for i, c := range changes {
		all[i].Change = c
	}
	for _, t := range traces {
		at := -1
		var reached fence.Epoch
		for i, c := range changes {
			if c.Generation <= t.Generation && c.Generation > reached {
				at, reached = i, c.Generation
			}
		}
		if t.Edge == name && at >= 0 {
			all[at].Rewires = append(all[at].Rewires, t)
		}
	}
	return all
}

const historyHead = "REVISION\tGENERATION\tNODE\tSPARE\tREASON\tBY SESSION\tAT\tDETAIL\n"

// historyText is the changes as a table, with the rewires between its lines.
func historyText(changes []followedChange) string {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprint(w, historyHead)
	for _, c := range changes {
		armed := "-"
		if c.Spare != 0 {
			armed = c.Spare.String()
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", c.Revision, c.Generation, short(c.Node), armed, c.Reason,
			short(c.Actor), when(c.Time), strings.ReplaceAll(dash(c.Detail), "\n", " "))
	}
	_ = w.Flush() // into memory
	var out strings.Builder
	for i, line := range strings.SplitAfter(table.String(), "\n") {
		out.WriteString(line)
		if i == 0 || i > len(changes) {
			continue
		}
		for _, t := range changes[i-1].Rewires {
			fmt.Fprintln(&out, rewireText(t))
		}
	}
	return out.String()
}

// rewireText is a rewire in a line.
func rewireText(t api.Trace) string {
	into := ""
	if t.Spare {
		into = ", the spare"
	}
	if t.Rings > 1 {
		into += fmt.Sprintf(", the %d. that was tried", t.Rings)
	}
	first := "first item +" + took(t.First)
	if t.First < 0 {
		first = "left again before a new item came"
	}
	return fmt.Sprintf("    %s %s: noticed %s (%s), decided +%s, attached +%s, resumed +%s, %s: generation %d to %d%s", t.Role, t.Stage,
		clock(t.Noticed), t.Reason, took(t.Decided), took(t.Attached), took(t.Resumed), first, t.From, t.Generation, into)
}
