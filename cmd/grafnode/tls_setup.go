package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/internal/pki"
)

func newTLSSetup() *cobra.Command {
	var dir string
	var days int
	cmd := &cobra.Command{
		Use:   "setup NODE...",
		Short: "Make all that a new cluster needs, at once",
		Long: `Makes, in one directory, an authority, a certificate for each of the nodes and one for an operator, and the key of
gossip, and prints the names of the files. What is there already is kept: run it again with another name to add a node.

Give each node grafnode-ca.pem, its own two files and gossip.keys. The authority's key goes on no node.`,
		Example: "  grafnode tls setup --dir pki node-1 node-2 node-3",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, nodes []string) error {
			if len(nodes) == 0 {
				return usagef("%s: name the nodes, such as node-1 node-2 node-3", cmd.CommandPath())
			}
			for _, name := range nodes {
				if err := api.CheckEdgeName(name); err != nil {
					return usagef("node %q: %w", name, err)
				}
				if slices.Contains([]string{pki.Authority, pki.Operator}, name) {
					return usagef("node %q: a file of another purpose has that name", name)
				}
			}
			lasts, err := lifetime(days)
			if err != nil {
				return err
			}
			made, err := pki.Dir(dir).Setup(nodes, authorityDays*day, lasts)
			for _, path := range made {
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", ".", "where the files are")
	cmd.Flags().IntVar(&days, "days", memberDays, "how long the nodes' and the operator's certificates are valid; the authority's: 3650")
	return cmd
}
