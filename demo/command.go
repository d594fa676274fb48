package demo

import (
	"math/rand/v2"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/demo/internal/plan"
	"github.com/grafnode/grafnode/examples/accesslog"
)

// stageVerb is the hidden verb with which the demo starts its own program as a stage.
const stageVerb = "demo-stage"

// Command returns the verb "demo". Its errors are InputError for what was asked wrongly, and ErrDamage if something was lost
// or doubled. The program that takes it in must take StageCommand in too, beside a verb "agent" that runs a node.
func Command() *cobra.Command {
	var c Config
	var kill string
	cmd := &cobra.Command{
		Use:   "demo [FILE|-]",
		Short: "See a pipeline rewire around failures, on this machine",
		Long: `Starts three nodes and a pipeline of four stages, each as a process of its own: ingest reads an access log in the
Apache combined format, parse and enrich make rows of its lines, store writes them to SQLite. While items flow, processes
and nodes are killed, one after the other. At the end the store is read back and compared with the input, line by line.

Without FILE the log is generated; - is the standard input. It takes about half a minute, and leaves nothing behind but
report.html and report.json (and the store, with --store).`,
		Example: `  grafnode demo
  grafnode demo --store requests.db access.log
  grafnode demo --kill store,store,ring-node --seed 7
  zcat access.log.gz | grafnode demo --kill none --rate 50000 -`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return inputErrorf("demo: %q is one file too many", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if c.Input = args[0]; c.Input == "" {
					return inputErrorf("demo: the file's name is empty")
				}
			}
			var err error
			if c.Kill, err = plan.ParseList(kill); err != nil {
				return inputErrorf("--kill: %w", err)
			}
			if !cmd.Flags().Changed("seed") {
				c.Seed = uint64(rand.Uint32()) // short enough to be typed again
			}
			return run(cmd.Context(), c, streams{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.Store, "store", "", "SQLite database to be made and kept (default: a temporary one)")
	f.IntVar(&c.Nodes, "nodes", NodesDefault, "how many nodes")
	f.Float64Var(&c.Rate, "rate", 0, "lines per second (default: so that the input lasts about half a minute)")
	f.StringVar(&kill, "kill", plan.Join(plan.Default), "what to kill, in this order; also: parse; or none")
	f.StringVar(&c.Report, "report", ReportDefault, "directory for report.html and report.json")
	f.BoolVar(&c.JSON, "json", false, "write the report as JSON to the standard output, the rest to the standard error")
	f.Uint64Var(&c.Seed, "seed", 0, "of the kills' times and of the generated log (default: another each time)")
	return cmd
}

// StageCommand returns the hidden verb that Command starts its own program with.
func StageCommand() *cobra.Command {
	var process, stage string
	var c accesslog.Config
	cmd := &cobra.Command{
		Use:    stageVerb,
		Short:  "Run one stage of the demo",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runStage(cmd.Context(), process, stage, c)
		},
	}
	f := cmd.Flags()
	f.StringVar(&process, "name", "", "of the process")
	f.StringVar(&stage, "stage", "", "to be run")
	f.StringVar(&c.Input, "input", "", "access log")
	f.StringVar(&c.Store, "store", "", "SQLite database")
	f.Float64Var(&c.Rate, "rate", 0, "lines per second")
	return cmd
}
