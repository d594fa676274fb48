package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/benchmark"
	"github.com/grafnode/grafnode/internal/benchmark/load"
	"github.com/grafnode/grafnode/internal/benchmark/ring"
	"github.com/grafnode/grafnode/internal/proc"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure grafnode on this machine, and others beside it",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchRing(), newBenchRegistry())
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

// newBenchRingParty returns the hidden verb with which bench ring starts the two sides of a measurement.
func newBenchRingParty() *cobra.Command {
	return &cobra.Command{
		Use:    ring.Verb + " TASK",
		Short:  "Be one side of a benchmark",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ring.Main(cmd.Context(), args, os.NewFile(proc.PipeFD, "pipe"))
		},
	}
}
