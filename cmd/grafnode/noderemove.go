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
	"github.com/grafnode/grafnode/locator"
)

func newNodeRemove() *cobra.Command {
	r := &remote{}
	force, detail := false, ""
	cmd := r.flags(&cobra.Command{
		Use:   "remove ID",
		Short: "Forget a node that will not come back",
		Long: `Takes a node out of the registry. ID is the node's, or the beginning of it if no other one begins so. It must be no member of the
Raft group any more; see: grafnode operator raft remove-peer. While leases or sessions are on it, it is refused: they end by
themselves within their terms. With --force they end now, as revoked, and edges take new rings elsewhere.

Should the node come back all the same, it registers anew.`,
		Example: `  grafnode operator raft remove-peer 3f1c0a52
  grafnode node remove 3f1c0a52 --detail "host scrapped"`,
		Args: exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				n, err := findNode(ctx, a, args[0])
				if err != nil {
					return err
				}
				err = a.RemoveNode(ctx, n.ID, force, detail)
				if errors.Is(err, api.ErrUnknown) {
					err = resolveNodeRemoval(ctx, a, n.ID, err)
				}
				if err != nil {
					return err
				}
				if n.Health == "alive" {
					fmt.Fprintf(cmd.ErrOrStderr(), "grafnode: %s is still running: stop it, or it registers anew\n", n.ID)
				}
				return r.show(cmd, n, "", func(w io.Writer) { fmt.Fprintf(w, "removed %s (%s)\n", n.ID, dash(n.Name)) })
			})
		},
	})
	cmd.Flags().BoolVar(&force, "force", false, "end the leases and sessions that are on it")
	cmd.Flags().StringVar(&detail, "detail", "", "why, for the history of its edges")
	return cmd
}

// findNode returns the node whose ID is, or alone begins with, what the user has typed.
func findNode(ctx context.Context, a *client.API, id string) (api.Node, error) {
	nodes, err := a.Nodes(ctx, api.Default)
	if err != nil {
		return api.Node{}, err
	}
	var found []api.Node
	for _, n := range nodes {
		if string(n.ID) == id {
			return n, nil
		}
		if strings.HasPrefix(string(n.ID), id) {
			found = append(found, n)
		}
	}
	switch {
	case id == "" || len(found) == 0:
		return api.Node{}, fmt.Errorf("no node has an ID that begins with %q; see: grafnode node list", id)
	case len(found) > 1:
		return api.Node{}, fmt.Errorf("%d nodes have an ID that begins with %q: give more of it", len(found), id)
	}
	return found[0], nil
}

// resolveNodeRemoval finds out what became of a removal whose answer got lost.
func resolveNodeRemoval(ctx context.Context, a *client.API, id locator.NodeID, unknown error) error {
	nodes, err := a.Nodes(ctx, api.Strict)
	if err != nil {
		return errors.Join(unknown, err)
	}
	for _, n := range nodes {
		if n.ID == id && n.Incarnation > 0 { // else gossip alone remembers it
			return fmt.Errorf("node %s is still there; ask again: %w", id, unknown)
		}
	}
	return nil
}
