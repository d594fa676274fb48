package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

func newEdgeDelete() *cobra.Command {
	r := &remote{}
	var expect uint64
	cmd := r.flags(&cobra.Command{
		Use:   "delete NAME",
		Short: "Delete an edge's record and release its ring",
		Long: `Deletes an edge that no stage needs any more. Its items in flight are gone with its ring: stop its stages first; one that
runs would make it anew. What is made anew under that name never has a generation again that this one had.

With --expect it is deleted only if its revision is still that one; without, as it is now.`,
		Example: `  grafnode edge delete access-log.old
  grafnode edge delete access-log.old --expect 74   # see: grafnode edge get access-log.old`,
		Args: exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				at := api.Revision(expect)
				if !cmd.Flags().Changed("expect") {
					e, err := a.Edge(ctx, args[0], api.Default)
					if err != nil {
						return err
					}
					at = e.Revision
				}
				err := a.DeleteEdge(ctx, args[0], at)
				if errors.Is(err, api.ErrUnknown) {
					err = resolveDeletion(ctx, a, args[0], at, err)
				}
				if err != nil {
					return err
				}
				said := map[string]any{"name": args[0], "revision": at, "deleted": true}
				return r.show(cmd, said, "", func(w io.Writer) { fmt.Fprintf(w, "deleted %s, revision %d\n", args[0], at) })
			})
		},
	})
	cmd.Flags().Uint64Var(&expect, "expect", 0, "only if its revision is this")
	return cmd
}

// resolveDeletion finds out what became of a deletion whose answer got lost: asked again, it would say that there is no such edge.
func resolveDeletion(ctx context.Context, a *client.API, name string, at api.Revision, unknown error) error {
	e, err := a.Edge(ctx, name, api.Strict)
	switch {
	case errors.Is(err, api.ErrNotFound):
		return nil
	case err == nil && e.Revision == at:
		return fmt.Errorf("edge %s is still there at revision %d; ask again: %w", name, at, unknown)
	case err == nil:
		return fmt.Errorf("edge %s is at revision %d: it was changed meanwhile, or deleted and made anew: %w", name, e.Revision, unknown)
	default:
		return errors.Join(unknown, err)
	}
}
