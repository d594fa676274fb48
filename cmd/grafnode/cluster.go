package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

func newNode() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "node",
		Short: "List, show, drain, close and remove nodes",
		Long:  `A node is a host that runs grafnode agent. It joins and comes back by itself; see: grafnode operator raft remove-peer for one that never will.`,
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMembers("list", "grafnode node list"), newNodeShow(), newNodeDrain(), newNodeEligibility(), newNodeRemove())
	return cmd
}

// newMembers is the verb "members", and "node list".
func newMembers(use, example string) *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:   use,
		Short: "The nodes of the cluster, their health and what they lend",
		Long: `Lists the nodes. HEALTH is gossip's word: it steers where new rings go, and decides nothing. ROLE is the node's part in
Raft. CLOSED says why nothing new is placed on the node.`,
		Example: "  " + example + "\n  " + example + " --stale --address 10.0.0.2:7400   # what a node believes that has lost the others",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				nodes, err := a.Nodes(ctx, r.consistency())
				if err != nil {
					return err
				}
				return r.show(cmd, nodes, "NAME\tID\tADDRESS\tZONE\tHEALTH\tROLE\tLENT\tCLOSED\tSTARTS\tVERSION", func(w io.Writer) {
					for _, n := range nodes {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s of %s\t%s\t%d\t%s\n", dash(n.Name), n.ID, n.Address, dash(n.Zone),
							n.Health, raftRole(n), size(n.Leased), size(n.Memory), dash(closed(n)), n.Incarnation, dash(n.Version))
					}
				})
			})
		},
	}))
}

func raftRole(n api.Node) string {
	switch {
	case n.Leader:
		return "leader"
	case n.Voter:
		return "voter"
	default:
		return "-"
	}
}

func newStatus() *cobra.Command {
	r := &remote{}
	return r.flags(&cobra.Command{
		Use:   "status",
		Short: "What one node says of itself and its cluster",
		Long: `Shows one node's own view: which cluster, who leads, how far it has applied, and if it is not ready, why. It answers
without a quorum too.`,
		Example: `  grafnode status --address 10.0.0.2:7400`,
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				s, err := a.Status(ctx)
				if err != nil {
					return err
				}
				return r.show(cmd, s, "", func(w io.Writer) { statusDetail(w, s) })
			})
		},
	})
}

func statusDetail(w io.Writer, s api.Status) {
	ready := "yes"
	if !s.Ready {
		ready = "no: " + strings.Join(s.Problems, "; ")
	}
	fmt.Fprintf(w, "node\t%s (%s)\n", s.Node, dash(s.Name))
	fmt.Fprintf(w, "cluster\t%s\n", dash(s.Cluster))
	fmt.Fprintf(w, "ready\t%s\n", ready)
	fmt.Fprintf(w, "raft\t%s, term %d, leader %s\n", s.State, s.Term, dash(s.Leader))
	fmt.Fprintf(w, "revision\t%d\n", s.Revision)
	fmt.Fprintf(w, "holds\t%d edges, %d leases, %d sessions, %d nodes\n", s.Edges, s.Leases, s.Sessions, s.Nodes)
	fmt.Fprintf(w, "version\t%s\n", s.Version)
	fmt.Fprintf(w, "started\t%s\n", when(s.Started))
}
