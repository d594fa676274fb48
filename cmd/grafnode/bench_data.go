package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/internal/benchmark"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/ring"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
	"github.com/grafnode/grafnode/internal/benchmark/wire"
	"github.com/grafnode/grafnode/internal/proc"
)

const benchDataHow = `

Each measurement is a set of new processes; the one that reads checks every record's number and holds the clock. Ours and a
peer's measurements follow each other. RATIO is ours over theirs within such a pair, the median of them: less is better for times,
more for rates. What is compared, and what was reached, is in docs/performance.md.

Processors that are busy with other things spoil every figure. If the machine is not all yours, raise the priority as
docs/performance.md says; not to a real-time one, under which processes that spin can keep everything else from running.`

func newBenchRing() *cobra.Command {
	return newBenchData(&cobra.Command{
		Use:   "ring",
		Short: "Measure records between two processes of this machine, and others' ways beside it",
		Long: `Measures how fast records go through a ring in shared memory, from one process to another, on a processor each, and what others
would use beside it. The C ring, which is the default peer, is the least that a ring can be: it is built with cc, and tries both
its layouts and four sizes for each case to take the fastest.` + benchDataHow,
		Example: `  grafnode bench ring
  grafnode bench ring --against c-ring --case oneway/64B/batched --runs 3`,
	}, ring.Plan(), ring.Measure)
}

func newBenchWire() *cobra.Command {
	return newBenchData(&cobra.Command{
		Use:   "wire",
		Short: "Measure records from one host to another, and others' ways beside it",
		Long: `Measures how fast records go over TCP, by loopback, to the node that has the ring, and from the ring to a process that reads it,
and what others would do with as many records in each write. Raw TCP, which is the default peer, checks and copies as much: it is
built with cc.` + benchDataHow,
		Example: `  grafnode bench wire
  grafnode bench wire --case wire/64B/batched --runs 3`,
	}, wire.Plan(), wire.Measure)
}

// newBenchData completes the verb of a plan.
func newBenchData(cmd *cobra.Command, p suite.Plan, measure func(context.Context, suite.Config) ([]figures.Line, error)) *cobra.Command {
	var c suite.Config
	var out linesOut
	cmd.Long += "\n\nCases: " + strings.Join(p.Names(), ", ") + ".\nPeers: " + strings.Join(p.Peers, ", ") + "."
	cmd.Args = exactly()
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if c.Exe, err = os.Executable(); err != nil {
			return fmt.Errorf("find this program, to start it again: %w", err)
		}
		if c.For <= 0 {
			return usagef("%s: --for %v: must be positive", cmd.CommandPath(), c.For)
		}
		c.Warm, c.Log, c.Each = c.For/5, cmd.ErrOrStderr(), out.each(cmd)
		lines, failed := measure(cmd.Context(), c)
		if errors.Is(failed, suite.ErrUsage) {
			return usagef("%s: %w", cmd.CommandPath(), failed)
		}
		return errors.Join(out.table(cmd, lines), failed)
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&c.Against, "against", nil, "peers to measure beside ours; repeat or separate by commas (default: "+strings.Join(p.Default, ",")+")")
	flags.StringVar(&c.Peers, "peers", os.Getenv(benchmark.PeersEnv), "directory with the peers' programs that are not built on the spot")
	flags.IntVar(&c.Runs, "runs", 5, "pairs of measurements of each case and peer")
	flags.StringSliceVar(&c.Cases, "case", nil, "what to measure; repeat or separate by commas (default: everything)")
	flags.DurationVar(&c.For, "for", 500*time.Millisecond, "length of a measurement, after a fifth of that to warm up")
	flags.BoolVar(&out.json, "json", false, "print one JSON object a case and peer, as soon as it is measured")
	return cmd
}

// newBenchParty returns the hidden verb with which a benchmark starts the processes of a measurement.
func newBenchParty(verb string, run func(ctx context.Context, args []string, out io.Writer) error) *cobra.Command {
	return &cobra.Command{
		Use:    verb + " TASK",
		Short:  "Be one process of a benchmark",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			pipe := os.NewFile(proc.PipeFD, "pipe")
			return errors.Join(run(cmd.Context(), args, pipe), pipe.Close())
		},
	}
}

// linesOut prints lines as they come, or as a table at the end.
type linesOut struct {
	json bool
	err  error
}

func (o *linesOut) each(cmd *cobra.Command) func(figures.Line) {
	if !o.json {
		return nil
	}
	return func(l figures.Line) { o.err = errors.Join(o.err, l.WriteJSON(cmd.OutOrStdout())) }
}

func (o *linesOut) table(cmd *cobra.Command, lines []figures.Line) error {
	if o.json || len(lines) == 0 {
		return o.err
	}
	return figures.WriteSettings(cmd.OutOrStdout(), lines)
}
