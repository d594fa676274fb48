package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/benchmark"
	"github.com/grafnode/grafnode/internal/benchmark/failover"
	"github.com/grafnode/grafnode/internal/benchmark/failover/plan"
)

type failoverFlags struct {
	config failover.Config
	json   bool
}

func newBenchFailover() *cobra.Command {
	f := &failoverFlags{}
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Measure how long faults interrupt an edge, and that nothing is lost",
		Long: `Starts three nodes, a producer and a consumer of one edge, each a process of its own, and makes one fault after the other while
items flow; in between everything is made whole again. Where network namespaces can be had (Linux, root, ip, nsenter) each node is
on a host of its own. All settings of nodes and edges are the defaults. It takes under fifteen minutes.

` + failover.Definitions + `

Faults:
` + faultList() + `
It ends with status 1 if anything was lost or doubled, or a fault was missed; --seed has the same faults come after the same pauses.`,
		Example: `  grafnode bench failover
  grafnode bench failover --faults ring-node-killed,planned --runs 5
  make bench-peers && grafnode bench failover --against jetstream --peers bin/peers`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	c, flags := &f.config, cmd.Flags()
	flags.StringSliceVar(&c.Faults, "faults", nil, "what to try; repeat or separate by commas; ring-node-killed is both of it (default: everything)")
	flags.IntVar(&c.Runs, "runs", failover.RunsDefault, "faults of each kind at --rate")
	flags.IntVar(&c.Full, "full", 0, "faults of each kind at full speed; negative: none (default: a third of --runs)")
	flags.Float64Var(&c.Rate, "rate", failover.RateDefault, "items a second")
	flags.Uint64Var(&c.Seed, "seed", 0, "of the pauses (default: another each time)")
	flags.StringVar(&c.Against, "against", "", "peer to measure beside ours: jetstream (three servers, a stream of three replicas, its leader killed)")
	flags.StringVar(&c.Peers, "peers", os.Getenv(benchmark.PeersEnv), "directory with the peer's programs (\"make bench-peers\" builds them)")
	flags.IntVar(&c.PeerRuns, "peer-runs", failover.PeerRunsDefault, "how many of the peer's leaders are killed")
	flags.Float64Var(&c.PeerRate, "peer-rate", failover.PeerRateDefault, "the peer's items a second: about what it bears on a small machine")
	flags.StringArrayVar(&c.Agent, "agent", nil, "further argument for the agents, such as --agent=--raft-heartbeat=1s; repeat")
	flags.StringVar(&c.Keep, "keep", "", "directory for the logs of a run that fails (default: they go)")
	flags.BoolVar(&f.json, "json", false, "print one JSON object a case, and the table to the standard error")
	return cmd
}

func faultList() string {
	var b strings.Builder
	for _, t := range plan.Traits {
		of := ""
		if t.Pause {
			of = " pause"
		}
		fmt.Fprintf(&b, "  %-32s %s; wanted%s: p50 %v, p99 %v\n", t.Kind, t.What, of, t.P50, t.P99)
	}
	return b.String()
}

func (f *failoverFlags) run(cmd *cobra.Command) (err error) {
	c := &f.config
	if c.Exe, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program, to start it again: %w", err)
	}
	if !cmd.Flags().Changed("seed") {
		c.Seed = uint64(rand.Uint32()) // short enough to be typed again
	}
	c.Log = cmd.ErrOrStderr()
	report, err := failover.Run(cmd.Context(), *c)
	switch {
	case errors.Is(err, failover.ErrUsage):
		return usagef("%s: %w", cmd.CommandPath(), err)
	case len(report.Rows) == 0:
		return err
	case f.json:
		for _, l := range report.Lines() {
			err = errors.Join(err, l.WriteJSON(cmd.OutOrStdout()))
		}
		return errors.Join(err, report.Text(cmd.ErrOrStderr()))
	}
	return errors.Join(err, report.Text(cmd.OutOrStdout()))
}

// newBenchFailoverStage returns the hidden verb with which the benchmark starts a stage.
func newBenchFailoverStage() *cobra.Command {
	return &cobra.Command{
		Use:    failover.Verb + " TASK",
		Short:  "Be one stage of a benchmark",
		Hidden: true,
		RunE:   func(cmd *cobra.Command, args []string) error { return failover.Main(cmd.Context(), args) },
	}
}
