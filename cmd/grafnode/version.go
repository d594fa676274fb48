package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/version"
)

func newVersion() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Which build this is",
		Long:  `Prints the release, the source revision that it was built from, and the compiler.`,
		Args:  exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			info := version.Read()
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(info)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), info)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
