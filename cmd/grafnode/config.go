package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/cmd/grafnode/config"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at a node's settings before it starts",
		Long: `Looks at the settings of "grafnode agent" as that would find them: in the file that --config names and in its drop-ins, in
the environment and among the options given here. No setting holds a secret, so all are shown.`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigValidate(), newConfigShow())
	return cmd
}

func newConfigValidate() *cobra.Command {
	f := &agentFlags{}
	cmd := &cobra.Command{
		Use:     "validate [FILE]",
		Short:   "Say whether a node would take its settings",
		Example: "  grafnode config validate /etc/grafnode/grafnode.toml",
		Args:    between(0, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if err := cmd.Flags().Set(config.Flag, args[0]); err != nil {
					return err
				}
			}
			if err := f.load(cmd.Flags()); err != nil {
				return err
			}
			if err := f.validate(); err != nil {
				return err
			}
			for _, name := range config.Strangers(cmd.Flags(), os.Environ()) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s is set, and no setting of a node\n", name)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "the settings are valid")
			return err
		},
	}
	f.define(cmd.Flags())
	return cmd
}

func newConfigShow() *cobra.Command {
	f := &agentFlags{}
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Print all settings and where each comes from, as a file",
		Example: "  grafnode config show --config /etc/grafnode/grafnode.toml",
		Args:    exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.load(cmd.Flags()); err != nil {
				return err
			}
			return config.Show(cmd.OutOrStdout(), cmd.Flags(), f.origins)
		},
	}
	f.define(cmd.Flags())
	return cmd
}
