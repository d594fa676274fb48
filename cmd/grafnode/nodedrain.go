package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/locator"
)

func newNodeShow() *cobra.Command {
	r := &remote{}
	return r.flags(&cobra.Command{
		Use:     "show NODE",
		Short:   "One node, and what lies on it",
		Long:    `Shows a node and the edges whose ring or spare lies on it. NODE is its name, its ID or the beginning of that, and must mean no other one.`,
		Example: `  grafnode node show node-3`,
		Args:    exactly("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				n, err := findNode(ctx, a, args[0])
				if err != nil {
					return err
				}
				left, err := a.DrainStatus(ctx, n.ID)
				if err != nil {
					return err
				}
				shown := struct {
					api.Node
					Holds api.DrainStatus `json:"holds"`
				}{n, left}
				return r.show(cmd, shown, "", func(w io.Writer) { nodeDetail(w, n, left) })
			})
		},
	})
}

func nodeDetail(w io.Writer, n api.Node, left api.DrainStatus) {
	fmt.Fprintf(w, "name\t%s\n", dash(n.Name))
	fmt.Fprintf(w, "id\t%s\n", n.ID)
	fmt.Fprintf(w, "address\t%s, zone %s\n", n.Address, dash(n.Zone))
	fmt.Fprintf(w, "health\t%s, %s\n", n.Health, raftRole(n))
	fmt.Fprintf(w, "lent\t%s of %s\n", size(n.Leased), size(n.Memory))
	fmt.Fprintf(w, "closed\t%s\n", dash(closed(n)))
	fmt.Fprintf(w, "holds\t%s\n", holds(left))
	for _, e := range left.Edges {
		what := "ring"
		if e.Spare {
			what = "spare"
		}
		fmt.Fprintf(w, "\t%s %s, generation %d\n", what, e.Name, e.Generation)
	}
	staying(w, left)
}

// staying lists the leases that no drain moves.
func staying(w io.Writer, s api.DrainStatus) {
	for _, l := range s.Leases {
		fmt.Fprintf(w, "\t%s %s %s, %s, of session %s\n", l.Kind, l.ID, dash(l.Name), size(l.Bytes), dash(l.Session))
	}
}

func holds(s api.DrainStatus) string {
	return fmt.Sprintf("%d rings, %d spares, %d leases outside edges", s.Rings, s.Spares, s.Stay)
}

// drainFlags are what node drain is told.
type drainFlags struct {
	remote
	cancel, force, detach bool
	deadline              time.Duration
}

func newNodeDrain() *cobra.Command {
	r := &drainFlags{}
	cmd := r.flags(&cobra.Command{
		Use:   "drain NODE",
		Short: "Empty a node: its rings move to others while their pipelines run",
		Long: `Marks the node: nothing new is placed on it, over its restarts too, until --cancel. Its rings are moved to other nodes, one after the
other, without a pause that anybody would see; its spares are armed elsewhere; if it leads, another node leads from then on. Waits until no
edge is left on the node, and says what is going on. Leases outside edges, of storage and of memory, are not moved: they are counted.

NODE is its name, its ID or the beginning of that, and must mean no other one. The drain is refused, and changes nothing, if no other node has room for
what is there; with --force what fits is moved all the same. When --deadline has passed the exit status is 1, and the drain goes on.`,
		Example: `  grafnode node drain node-3 --deadline 2m && ssh host-3 systemctl stop grafnode
  grafnode node drain node-3 --cancel   # it may be used again`,
		Args: exactly("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error { return r.drain(ctx, cmd, a, args[0]) })
		},
	})
	f := cmd.Flags()
	f.BoolVar(&r.cancel, "cancel", false, "let rings be placed on it again")
	f.BoolVar(&r.force, "force", false, "drain it even if some of its rings have no place elsewhere")
	f.BoolVar(&r.detach, "detach", false, "do not wait")
	f.DurationVar(&r.deadline, "deadline", 5*time.Minute, "wait no longer than this")
	return cmd
}

func (r *drainFlags) drain(ctx context.Context, cmd *cobra.Command, a *client.API, id string) error {
	if r.cancel && (r.force || r.detach) || r.deadline <= 0 {
		return usagef("%s: --cancel goes with neither --force nor --detach, and --deadline must be positive", cmd.CommandPath())
	}
	n, err := findNode(ctx, a, id)
	if err != nil {
		return err
	}
	request := api.DrainRequest{Drain: api.DrainUntilEnabled, Force: r.force}
	if r.cancel {
		request.Drain = api.DrainNot
	}
	left, err := a.DrainNode(ctx, n.ID, request)
	if errors.Is(err, api.ErrUnknown) { // asked for twice it is done once
		left, err = a.DrainNode(ctx, n.ID, request)
	}
	if err != nil {
		return err
	}
	if !r.cancel && !r.detach {
		if left, err = r.await(ctx, cmd, a, n.ID, left); err != nil {
			return err
		}
	}
	return r.show(cmd, left, "", func(w io.Writer) {
		fmt.Fprintf(w, "%s (%s)\tdrain %s\t%s\n", n.ID, dash(n.Name), dash(left.Drain), holds(left))
		staying(w, left)
	})
}

// await waits until no edge is left on a node. A node that does not answer, or has no leader, is asked again.
func (r *drainFlags) await(ctx context.Context, cmd *cobra.Command, a *client.API, id locator.NodeID, left api.DrainStatus) (api.DrainStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, r.deadline)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	said := ""
	for {
		switch now := holds(left); {
		case left.Drain == api.DrainNot:
			return left, fmt.Errorf("node %s is not being drained any more: somebody has canceled it", id)
		case left.Rings+left.Spares == 0:
			return left, nil
		case now != said:
			fmt.Fprintf(cmd.ErrOrStderr(), "grafnode: %s: %s\n", short(id), now)
			said = now
		}
		select {
		case <-ctx.Done():
			return left, fmt.Errorf("node %s still has %s after %v, and is being drained: %s", id, holds(left), r.deadline, names(left.Edges))
		case <-look.C:
		}
		if now, err := a.DrainStatus(ctx, id); err == nil {
			left = now
		}
	}
}

func names(edges []api.DrainEdge) (all string) {
	for i, e := range edges {
		if i == 10 {
			return all + ", ..."
		}
		if i > 0 {
			all += ", "
		}
		all += e.Name
	}
	return all
}
