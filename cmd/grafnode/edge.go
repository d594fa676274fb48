package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/locator"
)

func newEdge() *cobra.Command {
	edge := &cobra.Command{
		Use:   "edge",
		Short: "List, get, watch, trace, move and delete edges",
		Long: `An edge is a named queue with one producing and one consuming stage. Its record says where its ring is now, under which
generation, and who may use it. The generation goes up with every new ring.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	edge.AddCommand(newEdgeList(), newEdgeGet(), newEdgeWatch(), newEdgeHistory(), newEdgeRelocate(), newEdgeDelete())
	return edge
}

const edgeHead = "EDGE\tGENERATION\tNODE\tZONE\tSPARE\tPRODUCER\tCONSUMER\tREASON\tCHANGED"

func edgeRow(w io.Writer, e api.Edge) {
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Name, e.Generation, short(e.Locator.Node), dash(e.Locator.Zone),
		spare(e.Spare), holder(e.Producer), holder(e.Consumer), dash(e.Reason), when(e.Changed))
}

// spare prints where an edge's spare is, and its generation.
func spare(s *api.Spare) string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%s/%d", short(s.Locator.Node), s.Generation)
}

// holder prints a role: its stage and the epoch of its last takeover; in brackets if nobody has it now.
func holder(s api.Side) string {
	switch {
	case s.Stage == "":
		return "-"
	case s.Free():
		return fmt.Sprintf("(%s/%d)", s.Stage, s.Epoch)
	default:
		return fmt.Sprintf("%s/%d", s.Stage, s.Epoch)
	}
}

func holderDetail(s api.Side) string {
	return fmt.Sprintf("%s, session %s on node %s", holder(s), dash(s.Session), dash(s.Node))
}

func newEdgeList() *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:   "list [PREFIX]",
		Short: "All edges, or those whose name begins with PREFIX",
		Long: `Lists edges. A role is shown as stage/epoch, in brackets while nobody has it. A spare, a second ring to which the producer
moves by itself when the first is lost, is shown as node/generation.

STATE and LAG, items pushed and not acknowledged and for how long, are what the stages last said to their nodes: flowing, filling (a
role is free), detecting, relocating, rebinding, or stalled; "-" if none was heard.`,
		Example: `  grafnode edge list
  grafnode edge list access-log. --json`,
		Args: between(0, "PREFIX"),
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix := ""
			if len(args) > 0 {
				prefix = args[0]
			}
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				edges, err := a.Edges(ctx, prefix, r.consistency())
				if err != nil {
					return err
				}
				all := standings(edges, r.reports(ctx, cmd, a, prefix, false))
				return r.show(cmd, all, standingHead, func(w io.Writer) {
					for _, e := range all {
						standingRow(w, e)
					}
				})
			})
		},
	}))
}

func newEdgeGet() *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:   "get NAME",
		Short: "One edge's record",
		Long: `Shows an edge's record: where its ring is, under which generation, and who has its roles; and how the edge stands, as its stages
last said to their nodes.`,
		Example: `  grafnode edge get access-log.parse`,
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				e, err := a.Edge(ctx, args[0], r.consistency())
				if err != nil {
					return err
				}
				all := standings([]api.Edge{e}, r.reports(ctx, cmd, a, e.Name, false))
				return r.show(cmd, all[0], "", func(w io.Writer) {
					edgeDetail(w, e)
					standingDetail(w, all[0].Standing, time.Now())
				})
			})
		},
	}))
}

func edgeDetail(w io.Writer, e api.Edge) {
	fmt.Fprintf(w, "name\t%s\n", e.Name)
	fmt.Fprintf(w, "generation\t%d\n", e.Generation)
	fmt.Fprintf(w, "ring\t%s on node %s (%s), zone %s, %s\n", e.Locator.Arena, e.Locator.Node, e.Locator.Address,
		dash(e.Locator.Zone), size(e.Capacity))
	if s := e.Spare; s != nil {
		fmt.Fprintf(w, "spare\t%s on node %s (%s), zone %s, generation %d\n", s.Locator.Arena, s.Locator.Node, s.Locator.Address,
			dash(s.Locator.Zone), s.Generation)
	}
	fmt.Fprintf(w, "producer\t%s\n", holderDetail(e.Producer))
	fmt.Fprintf(w, "consumer\t%s\n", holderDetail(e.Consumer))
	fmt.Fprintf(w, "codec\t%s\n", dash(e.Codec))
	fmt.Fprintf(w, "revision\t%d\n", e.Revision)
	fmt.Fprintf(w, "changed\t%s, %s\n", when(e.Changed), e.Reason)
}

func newEdgeRelocate() *cobra.Command {
	r := &remote{}
	var avoid []string
	atOnce := false
	cmd := r.flags(&cobra.Command{
		Use:   "relocate NAME",
		Short: "Move an edge's ring to another place",
		Long: `Moves an edge. Both stages attach the next ring before they leave the present one: items wait for a millisecond or two, none is lost
or repeated. Without --avoid the broker may choose the same node again. With --at-once the record is changed first and the stages follow,
as they do by themselves if they have not moved in two seconds.`,
		Example: `  grafnode edge relocate access-log.parse
  grafnode edge relocate access-log.parse --avoid 3f1c0a52-...   # a node's ID, see: grafnode members`,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := api.RelocateRequest{AtOnce: atOnce}
			for _, id := range avoid {
				req.Avoid = append(req.Avoid, locator.NodeID(id))
			}
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				e, err := a.Move(ctx, args[0], req)
				if err != nil {
					return err
				}
				return r.show(cmd, e, edgeHead, func(w io.Writer) { edgeRow(w, e) })
			})
		},
	})
	cmd.Flags().BoolVar(&atOnce, "at-once", false, "leave the present ring first")
	cmd.Flags().StringSliceVar(&avoid, "avoid", nil, "nodes to keep away from, by ID")
	return cmd
}
