package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/benchmark"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
)

type benchFlags struct {
	config benchmark.Config
	json   bool
	quick  bool
}

func newBenchRegistry() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Measure a registry of three nodes, and etcd beside it",
		Long: `Starts three nodes on this machine, each a process of its own with a real disk, and three etcd servers beside them if
--against says so. Then each case is measured in turns, one run of ours, one of theirs. RATIO is ours over theirs within a
pair of runs, the median of them: less is better for times, more for rates. What is compared, and what was reached, is in
docs/performance.md.

The peer's programs are found through $` + benchmark.PeersEnv + ` or --peers; "make bench-peers" builds them. Without --against our
own figures are taken alone, unless the variable is set.

Cases: ` + strings.Join(benchmark.Cases(), ", ") + `.`,
		Example: `  make bench-peers && GRAFNODE_BENCH_PEERS=bin/peers grafnode bench registry --dir .
  grafnode bench registry --runs 1 --case cas/1,leader-killed`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	c, flags := &f.config, cmd.Flags()
	flags.StringVar(&c.Against, "against", "", "peer to measure beside ours: etcd")
	flags.StringVar(&c.Peers, "peers", os.Getenv(benchmark.PeersEnv), "directory with the peers' programs")
	flags.IntVar(&c.Runs, "runs", 5, "runs of each case; leader-killed kills twice as many")
	flags.StringSliceVar(&c.Cases, "case", nil, "what to measure; repeat or separate by commas (default: everything)")
	flags.StringVar(&c.Dir, "dir", "", "where the servers' files go, on the disk to be measured (default: the system's temporary directory)")
	flags.StringArrayVar(&c.Agent, "agent", nil, "further argument for our agents, such as --agent=--log-store=wal; repeat")
	flags.BoolVar(&f.json, "json", false, "print one JSON object a case, as soon as it is measured")
	flags.BoolVar(&f.quick, "quick", false, "measure for a quarter of a second each: to see that it works, not how fast")
	return cmd
}

func (f *benchFlags) run(cmd *cobra.Command) (err error) {
	if f.config.Exe, err = os.Executable(); err != nil {
		return fmt.Errorf("find this program, to start it again: %w", err)
	}
	if f.config.Peers != "" && !cmd.Flags().Changed("against") {
		f.config.Against = benchmark.Etcd
	}
	if f.config.Peers == "" && f.config.Against != "" {
		return usagef("%s: --against %s: set $%s, or --peers, to the directory with the peers' programs; `make bench-peers` builds them",
			cmd.CommandPath(), f.config.Against, benchmark.PeersEnv)
	}
	if f.quick {
		f.config.For, f.config.Warm = time.Second/4, time.Second/10
	}
	f.config.Log = cmd.ErrOrStderr()
	if f.json {
		f.config.Each = func(l figures.Line) { err = errors.Join(err, l.WriteJSON(cmd.OutOrStdout())) }
	}
	lines, failed := benchmark.Registry(cmd.Context(), f.config)
	if !f.json && len(lines) > 0 {
		err = figures.WriteTable(cmd.OutOrStdout(), f.config.Against, lines)
	}
	if errors.Is(failed, benchmark.ErrUsage) {
		return usagef("%s: %w", cmd.CommandPath(), failed)
	}
	return errors.Join(err, failed)
}
