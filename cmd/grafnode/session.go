package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/lease"
)

func newSession() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "session",
		Short: "List and get sessions",
		Long: `A session is one run of one stage process, known to its node by an open socket. It ends at once when that process ends, and at
its lease's end when its node has gone.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSessionList(), newSessionGet())
	return cmd
}

func newSessionList() *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:     "list",
		Short:   "The live sessions",
		Long:    `Lists the live sessions: which stage, on which node, as which process, and if its user may not do everything, by which rules.`,
		Example: `  grafnode session list`,
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				sessions, err := a.LiveSessions(ctx, r.consistency())
				if err != nil {
					return err
				}
				return r.show(cmd, sessions, "SESSION\tSTAGE\tNODE\tSTART\tPID\tTERM\tOPENED\tRULES", func(w io.Writer) {
					for _, s := range sessions {
						fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%v\t%s\t%s\n", s.ID, dash(s.Stage), short(s.Node), s.Incarnation, s.PID, s.TTL, when(s.Opened), dash(s.Rules.String()))
					}
				})
			})
		},
	}))
}

func newSessionGet() *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:     "get ID",
		Short:   "One session, its edges and leases",
		Long:    `Shows a live session, the edges on which it has a role, and the leases that it holds: what becomes free when it ends.`,
		Example: `  grafnode session get v2o4xvvwydmlyyojwzcsckpqbf`,
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				s, err := a.Session(ctx, lease.SessionID(args[0]), r.consistency())
				if err != nil {
					return err
				}
				return r.show(cmd, s, "", func(w io.Writer) { sessionDetail(w, s) })
			})
		},
	}))
}

func sessionDetail(w io.Writer, s api.SessionDetail) {
	leases := make([]string, len(s.Leases))
	for i, id := range s.Leases {
		leases[i] = string(id)
	}
	fmt.Fprintf(w, "session\t%s\n", s.ID)
	fmt.Fprintf(w, "stage\t%s, process %d\n", dash(s.Stage), s.PID)
	fmt.Fprintf(w, "node\t%s, incarnation %d\n", s.Node, s.Incarnation)
	fmt.Fprintf(w, "term\t%v\n", s.TTL)
	fmt.Fprintf(w, "opened\t%s\n", when(s.Opened))
	fmt.Fprintf(w, "rules\t%s\n", dash(s.Rules.String()))
	fmt.Fprintf(w, "edges\t%s\n", dash(strings.Join(s.Edges, ", ")))
	fmt.Fprintf(w, "leases\t%s\n", dash(strings.Join(leases, ", ")))
}
