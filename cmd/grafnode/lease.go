package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/lease"
)

func newLease() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lease",
		Short: "List, get and revoke leases",
		Long: `A lease is a node's memory or storage, lent for a bounded time that its holder renews. A ring's lease belongs to its edge, any
other to a session.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLeaseList("list", "grafnode lease list"), newLeaseGet(), newLeaseRevoke())
	return cmd
}

// newLeaseList is the verb "lease list", and "leases", as it was first called.
func newLeaseList(use, example string) *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:     use,
		Short:   "What memory and storage is lent, by which node, to whom",
		Long:    `Lists the active leases. A ring's lease belongs to its edge, any other to a session.`,
		Example: "  " + example + ` --json | jq '.[] | select(.edge == "access-log.parse")'`,
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				leases, err := a.Leases(ctx, r.consistency())
				if err != nil {
					return err
				}
				return r.show(cmd, leases, "LEASE\tKIND\tNODE\tBYTES\tTERM\tFOR\tEPOCH\tGRANTED", func(w io.Writer) {
					for _, l := range leases {
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\t%s\t%d\t%s\n", l.ID, l.Kind, short(l.Node), size(l.Bytes), l.TTL,
							leaseFor(l), l.Generation, when(l.Granted))
					}
				})
			})
		},
	}))
}

func leaseFor(l api.Lease) string {
	switch {
	case l.Edge != "":
		return "edge " + l.Edge
	case l.Name != "":
		return "region " + l.Name
	default:
		return "session " + short(l.Session)
	}
}

func newLeaseGet() *cobra.Command {
	r := &remote{}
	return r.staleFlag(r.flags(&cobra.Command{
		Use:     "get ID",
		Short:   "One lease",
		Long:    `Shows a lease that is in force, or how it ended: released, expired or revoked. What ended long ago is forgotten.`,
		Example: `  grafnode lease get jnuvwkg3k7ce5trf5fwoqffynx`,
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				l, err := a.Lease(ctx, lease.ID(args[0]), r.consistency())
				if err != nil {
					return err
				}
				return r.show(cmd, l, "", func(w io.Writer) { leaseDetail(w, l) })
			})
		},
	}))
}

func leaseDetail(w io.Writer, l api.Lease) {
	fmt.Fprintf(w, "lease\t%s, %s\n", l.ID, l.Status)
	fmt.Fprintf(w, "grants\t%s of %s on node %s, incarnation %d\n", size(l.Bytes), l.Kind, l.Node, l.Incarnation)
	fmt.Fprintf(w, "for\t%s\n", leaseFor(l))
	fmt.Fprintf(w, "session\t%s\n", dash(l.Session))
	fmt.Fprintf(w, "epoch\t%d\n", l.Generation)
	fmt.Fprintf(w, "term\t%v\n", l.TTL)
	fmt.Fprintf(w, "granted\t%s\n", when(l.Granted))
}

func newLeaseRevoke() *cobra.Command {
	r := &remote{}
	detail := ""
	cmd := r.flags(&cobra.Command{
		Use:   "revoke ID",
		Short: "Take a lease back",
		Long: `Ends a lease in the cluster's name. A ring's edge moves to another place by itself, without loss; the holder of any other lease
is told that it was revoked.`,
		Example: `  grafnode lease revoke jnuvwkg3k7ce5trf5fwoqffynx --detail "host goes into repair"`,
		Args:    exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := lease.ID(args[0])
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				err := a.RevokeLease(ctx, id, detail)
				if errors.Is(err, api.ErrUnknown) {
					err = resolveRevocation(ctx, a, id, err)
				}
				if err != nil {
					return err
				}
				said := map[string]any{"id": id, "status": lease.Revoked}
				return r.show(cmd, said, "", func(w io.Writer) { fmt.Fprintf(w, "revoked %s\n", id) })
			})
		},
	})
	cmd.Flags().StringVar(&detail, "detail", "", "why, for the edge's history")
	return cmd
}

// resolveRevocation finds out what became of a revocation whose answer got lost.
func resolveRevocation(ctx context.Context, a *client.API, id lease.ID, unknown error) error {
	switch _, err := a.Lease(ctx, id, api.Strict); {
	case errors.Is(err, lease.ErrRevoked):
		return nil
	case err == nil:
		return fmt.Errorf("lease %s is still in force; ask again: %w", id, unknown)
	default:
		return errors.Join(unknown, err)
	}
}
