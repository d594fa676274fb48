package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

func newNodeEligibility() *cobra.Command {
	r := &remote{}
	enable, disable := false, false
	cmd := r.flags(&cobra.Command{
		Use:   "eligibility NODE",
		Short: "Say whether a node may get anything new; what it has stays there",
		Long: `With --disable nothing new is placed on the node: no ring, no spare, no memory, no storage. What it has stays, and flows on; it goes in its own
time. With --enable it may be used again. The word stands over the node's restarts, and over drains, which it does not end: see grafnode node drain for a
node that is to be emptied.

NODE is its name, its ID or the beginning of that, and must mean no other one.`,
		Example: `  grafnode node eligibility node-3 --disable
  grafnode node eligibility node-3 --enable`,
		Args: exactly("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if enable == disable {
				return usagef("%s: one of --enable and --disable", cmd.CommandPath())
			}
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				n, err := findNode(ctx, a, args[0])
				if err != nil {
					return err
				}
				err = a.SetEligibility(ctx, n.ID, enable)
				if errors.Is(err, api.ErrUnknown) { // asked for twice it is done once
					err = a.SetEligibility(ctx, n.ID, enable)
				}
				if err != nil {
					return err
				}
				n.Ineligible = disable
				return r.show(cmd, n, "", func(w io.Writer) {
					says := "may get new rings"
					if why := closed(n); why != "" {
						says = "gets nothing new (" + why + "); what it has stays"
					}
					fmt.Fprintf(w, "%s (%s)\t%s\n", n.ID, dash(n.Name), says)
				})
			})
		},
	})
	cmd.Flags().BoolVar(&enable, "enable", false, "it may get new rings and leases")
	cmd.Flags().BoolVar(&disable, "disable", false, "it may not")
	return cmd
}

// closed says why nothing new is placed on a node; "": it may be.
func closed(n api.Node) string {
	var why []string
	if n.Drain != api.DrainNot {
		why = append(why, "drain "+string(n.Drain))
	}
	if n.Ineligible {
		why = append(why, "ineligible")
	}
	return strings.Join(why, ", ")
}
