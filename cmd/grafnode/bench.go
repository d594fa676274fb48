package main

import (
	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/benchmark"
	"github.com/grafnode/grafnode/internal/benchmark/load"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure grafnode on this machine, and others beside it",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchRing(), newBenchWire(), newBenchRegistry(), newBenchFailover())
	return cmd
}

// newBenchLoad returns the hidden verb with which bench starts processes of clients.
func newBenchLoad() *cobra.Command {
	return &cobra.Command{
		Use:                benchmark.LoadVerb,
		Short:              "Be the clients of a benchmark",
		Hidden:             true,
		DisableFlagParsing: true, // load has flags of its own, the same for all sides
		RunE: func(cmd *cobra.Command, args []string) error {
			return load.Main(cmd.Context(), args, benchmark.LoadOutput(cmd.OutOrStdout()), benchmark.OpenTarget)
		},
	}
}
