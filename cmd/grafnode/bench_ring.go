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
	"github.com/grafnode/grafnode/internal/benchmark/ring"
)

func newBenchRing() *cobra.Command {
	var c ring.Config
	var out linesOut
	cmd := &cobra.Command{
		Use:   "ring",
		Short: "Measure records between two processes of this machine, and others' ways beside it",
		Long: `Starts two processes for each measurement, on a processor each: one sends numbered records, the other checks every number
and measures. Ours and a peer's measurements follow each other; RATIO is ours over theirs within such a pair, the median of
them: less is better for times, more for rates. What is compared, and what was reached, is in docs/performance.md.

Processors that are busy with other things spoil every figure, as these processes spin: raise their priority, by
chrt -f 10 grafnode bench ring, if the machine is not all yours.

Cases: ` + strings.Join(ring.Cases(), ", ") + `.
Peers: ` + strings.Join(ring.Peers(), ", ") + `. The C ring tries both its layouts and four sizes for each case, and takes the fastest.`,
		Example: `  grafnode bench ring
  grafnode bench ring --against c-ring --case oneway/64B/batched --runs 3`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if c.Exe, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program, to start it again: %w", err)
			}
			c.Log, c.Each = cmd.ErrOrStderr(), out.each(cmd)
			lines, failed := ring.Measure(cmd.Context(), c)
			if errors.Is(failed, ring.ErrUsage) {
				return usagef("%s: %w", cmd.CommandPath(), failed)
			}
			return errors.Join(out.table(cmd, lines), failed)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&c.Against, "against", nil, "peers to measure beside ours; repeat or separate by commas (default: "+strings.Join(ring.DefaultPeers(), ",")+")")
	flags.StringVar(&c.Peers, "peers", os.Getenv(benchmark.PeersEnv), "directory with the peers' programs that are not built on the spot")
	flags.IntVar(&c.Runs, "runs", 5, "pairs of measurements of each case and peer")
	flags.StringSliceVar(&c.Cases, "case", nil, "what to measure; repeat or separate by commas (default: everything)")
	flags.DurationVar(&c.For, "for", 500*time.Millisecond, "length of a measurement, after a fifth of that to warm up")
	out.flag(cmd)
	cmd.PreRun = func(*cobra.Command, []string) { c.Warm = c.For / 5 }
	return cmd
}

// linesOut prints lines as they come, or as a table at the end.
type linesOut struct {
	json bool
	err  error
}

func (o *linesOut) flag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object a case and peer, as soon as it is measured")
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
