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

func newOperator() *cobra.Command {
	operator := &cobra.Command{
		Use:   "operator",
		Short: "Look after the cluster: its health, its Raft group, snapshots of its registry",
		Long: `What an operator does when something is wrong, or before it is. docs/operating.md says what to do when a node is gone for
good, a majority is lost, a disk has failed.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	raft := &cobra.Command{
		Use:   "raft",
		Short: "The group of nodes that keep the registry",
		Long: `The nodes keep the registry by Raft: a change needs a majority of the voters. Nodes are taken in by themselves; they are
removed only here, or when another takes their address.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	raft.AddCommand(newListPeers(), newRemovePeer(), newTransferLeader(), newRecover())
	operator.AddCommand(newHealth(), raft, newSnapshot(), newDebug())
	return operator
}

func newListPeers() *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:   "list-peers",
		Short: "The members of the Raft group, and how far each has got",
		Long: `Lists the members as their leader sees them. A non-voter has the log and does not count yet: it is made a voter when it
has caught up. CONTACT is how long ago it last answered its leader, LAG how many entries it lacks. With --stale, what the
asked node knows of the group, without the leader's two columns.`,
		Example: `  grafnode operator raft list-peers
  grafnode operator raft list-peers --stale --address 10.0.0.2:7400   # without a leader`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				group, err := a.Raft(ctx, r.consistency())
				if err != nil {
					return err
				}
				return r.show(cmd, group, "NAME\tID\tADDRESS\tROLE\tCONTACT\tINDEX\tLAG\tGOSSIP\tVERSION", func(w io.Writer) {
					for _, s := range group.Servers {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(s.Name), s.ID, s.Address, serverRole(s), contact(s),
							progress(s), s.Gossip, dash(s.Version))
					}
				})
			})
		},
	}))
}

func serverRole(s api.RaftServer) string {
	switch {
	case s.Leader:
		return "leader"
	case s.Voter:
		return "voter"
	default:
		return "non-voter"
	}
}

// contact prints how long ago a member has answered its leader.
func contact(s api.RaftServer) string {
	switch {
	case s.Leader:
		return "-"
	case s.LastContact < 0:
		return "never"
	default:
		return s.LastContact.Round(time.Millisecond).String()
	}
}

// progress prints a member's index and lag, two columns.
func progress(s api.RaftServer) string {
	if s.Index == 0 {
		return "-\t-"
	}
	return fmt.Sprintf("%d\t%d", s.Index, s.Lag)
}

func newRemovePeer() *cobra.Command {
	r := &remote{}
	force := false
	cmd := r.flags(&cobra.Command{
		Use:   "remove-peer NODE",
		Short: "Remove a member that is gone for good",
		Long: `Removes a node from the Raft group: it no longer counts towards the majority, which makes the group smaller. NODE is its
name, its ID or the beginning of that, and must mean no other one. Stop the node first and wipe its data directory: one that runs is refused
without --force, and taken in again.

A node that is merely away for a while needs nothing: it comes back by itself.`,
		Example: `  grafnode operator raft list-peers
  grafnode operator raft remove-peer node-3`,
		Args: exactly("NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				s, err := findServer(ctx, a, args[0])
				if err != nil {
					return err
				}
				err = a.RemoveServer(ctx, s.ID, force)
				if errors.Is(err, api.ErrUnknown) {
					err = resolveRemoval(ctx, a, s.ID, err)
				}
				if err != nil {
					return err
				}
				if s.Gossip == "alive" {
					fmt.Fprintf(cmd.ErrOrStderr(), "grafnode: %s is still running: stop it, or it is taken in again\n", s.ID)
				}
				return r.show(cmd, s, "", func(w io.Writer) { fmt.Fprintf(w, "removed %s at %s\n", s.ID, s.Address) })
			})
		},
	})
	cmd.Flags().BoolVar(&force, "force", false, "also if it runs")
	return cmd
}

// resolveRemoval finds out what became of a removal whose answer got lost.
func resolveRemoval(ctx context.Context, a *client.API, id locator.NodeID, unknown error) error {
	group, err := a.Raft(ctx, api.Strict)
	if err != nil {
		return errors.Join(unknown, err)
	}
	for _, s := range group.Servers {
		if s.ID == id {
			return fmt.Errorf("%s is still a member; ask again: %w", id, unknown)
		}
	}
	return nil
}

// findServer returns the member of the Raft group that the user has typed.
func findServer(ctx context.Context, a *client.API, typed string) (api.RaftServer, error) {
	group, err := a.Raft(ctx, api.Default)
	if err != nil {
		return api.RaftServer{}, err
	}
	s, matches := pick(group.Servers, typed, func(s api.RaftServer) (locator.NodeID, string) { return s.ID, s.Name })
	switch {
	case matches == 0:
		return s, fmt.Errorf("no member of the Raft group is called %q or has an ID that begins so; see: grafnode operator raft list-peers", typed)
	case matches > 1:
		return s, fmt.Errorf("%d members of the Raft group are called %q or have an ID that begins so: give the ID, or more of it", matches, typed)
	}
	return s, nil
}

func newTransferLeader() *cobra.Command {
	r := &remote{}
	cmd := r.flags(&cobra.Command{
		Use:   "transfer-leader [NODE]",
		Short: "Have another voter lead",
		Long: `Hands leadership to the voter of that name, ID or beginning of an ID, else to the one whose log is the most complete,
and returns when it leads. Writes wait for some milliseconds; nothing is lost. A node that is stopped by SIGTERM does this
by itself.`,
		Example: `  grafnode operator raft transfer-leader
  grafnode operator raft transfer-leader node-3`,
		Args: between(0, "NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				var want api.TransferRequest
				if len(args) > 0 {
					s, err := findServer(ctx, a, args[0])
					if err != nil {
						return err
					}
					want.To = s.ID
				}
				done, err := a.TransferLeadership(ctx, want)
				if err != nil {
					return err
				}
				return r.show(cmd, done, "", func(w io.Writer) {
					if done.From == done.To {
						fmt.Fprintf(w, "%s leads already\n", done.To)
						return
					}
					fmt.Fprintf(w, "%s leads; before: %s\n", done.To, done.From)
				})
			})
		},
	})
	return cmd
}
