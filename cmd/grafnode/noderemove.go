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
		Use:   "remove NODE",
		Short: "Forget a node that will not come back",
		Long: `Takes a node out of the registry. NODE is its name, its ID or the beginning of that, and must mean no other one. It must be no member of the
Raft group any more; see: grafnode operator raft remove-peer. While leases or sessions are on it, it is refused: they end by
themselves within their terms. With --force they end now, as revoked, and edges take new rings elsewhere.

Should the node come back all the same, it registers anew.`,
		Example: `  grafnode operator raft remove-peer node-3
  grafnode node remove node-3 --detail "host scrapped"`,
		Args: exactly("NODE"),
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

// findNode returns the node that the user has typed.
func findNode(ctx context.Context, a *client.API, typed string) (api.Node, error) {
	nodes, err := a.Nodes(ctx, api.Default)
	if err != nil {
		return api.Node{}, err
	}
	n, matches := pick(nodes, typed, func(n api.Node) (locator.NodeID, string) { return n.ID, n.Name })
	switch {
	case matches == 0:
		return n, fmt.Errorf("no node is called %q or has an ID that begins so; see: grafnode node list", typed)
	case matches > 1:
		return n, fmt.Errorf("%d nodes are called %q or have an ID that begins so: give the ID, or more of it", matches, typed)
	}
	return n, nil
}

// pick returns which of all the user has typed: the ID, the beginning of it, or the name, which several may have. Only one match is an answer.
func pick[T any](all []T, typed string, of func(T) (locator.NodeID, string)) (found T, matches int) {
	for _, x := range all {
		id, name := of(x)
		if string(id) == typed {
			return x, 1
		}
		if typed != "" && (name == typed || strings.HasPrefix(string(id), typed)) {
			found = x
			matches++
		}
	}
	return found, matches
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
