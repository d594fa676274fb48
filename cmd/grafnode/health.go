package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/client"
)

// unhealthyError is an answer that was had, and is not well: exit status 3.
type unhealthyError struct{ problems []string }

func (e unhealthyError) Error() string { return "unhealthy: " + strings.Join(e.problems, "; ") }

// healthEvery is how often operator health --wait looks.
const healthEvery = 500 * time.Millisecond

func newHealth() *cobra.Command {
	r := &remote{}
	var wait time.Duration
	cmd := r.flags(&cobra.Command{
		Use:   "health",
		Short: "Whether the cluster is well, and if not, what is wrong",
		Long: `Asks the leader, through any node, how it and every voter are: whether they answer it, how far behind they are, what
gossip says of them, whether they are ready, how much room their disks have. MAY FAIL is how many more voters can be lost before
changes are no longer possible.

Exit status: 0 healthy, 3 not, 1 no answer. With --wait, looks again until it is healthy, for at most that long.`,
		Example: `  grafnode operator health
  grafnode operator health --wait 30s && deploy-next-node`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait < 0 {
				return usagef("%s: --wait %v: must not be negative", cmd.CommandPath(), wait)
			}
			wait -= r.awaitSocket(cmd.Context(), wait)
			return r.ask(cmd, func(ctx context.Context, a *client.API) error {
				h, err := healthWithin(ctx, a, wait)
				if err != nil {
					return err
				}
				if err := r.show(cmd, h, "", func(w io.Writer) { healthDetail(w, h) }); err != nil {
					return err
				}
				if !h.Healthy {
					return unhealthyError{h.Problems}
				}
				return nil
			})
		},
	})
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait this long for the cluster to become healthy")
	return cmd
}

// awaitSocket waits for a node that has yet to make its socket, and returns for how long.
func (r *remote) awaitSocket(ctx context.Context, longest time.Duration) time.Duration {
	_, address := r.target()
	began := time.Now()
	look := time.NewTicker(healthEvery)
	defer look.Stop()
	for errors.Is(checkSocket(address), errNoSocket) && ctx.Err() == nil && time.Since(began) < longest {
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
	return min(time.Since(began), longest)
}

// healthWithin asks until the cluster is healthy or the time is over, and returns the last answer.
func healthWithin(ctx context.Context, a *client.API, wait time.Duration) (api.Health, error) {
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		h, err := a.Health(ctx)
		if err == nil && h.Healthy || wait == 0 || err != nil && !errors.Is(err, api.ErrUnavailable) {
			return h, err
		}
		select {
		case <-time.After(healthEvery):
		case <-over.C:
			return h, err
		case <-ctx.Done():
			return h, context.Cause(ctx)
		}
	}
}

func healthDetail(w io.Writer, h api.Health) {
	healthy := "yes"
	if !h.Healthy {
		healthy = "no"
	}
	margin := fmt.Sprintf("%d more may fail", h.Margin)
	switch {
	case h.Margin < 0:
		margin = "too few are well for a quorum"
	case h.Leader == "":
		margin = "enough are well to elect a leader"
	}
	fmt.Fprintf(w, "healthy\t%s\n", healthy)
	fmt.Fprintf(w, "cluster\t%s, level %d\n", dash(h.Cluster), h.Level)
	fmt.Fprintf(w, "leader\t%s, term %d\n", dash(h.Leader), h.Term)
	fmt.Fprintf(w, "voters\t%d, quorum %d, %s\n", h.Voters, h.Quorum, margin)
	fmt.Fprintf(w, "revision\t%d\n", h.Revision)
	for _, problem := range h.Problems {
		fmt.Fprintf(w, "problem\t%s\n", problem)
	}
	fmt.Fprintln(w, "\nNAME\tID\tADDRESS\tROLE\tHEALTHY\tCONTACT\tLAG\tGOSSIP\tDISK FREE\tSLOWEST WRITE\tLEVEL")
	for _, s := range h.Servers {
		lag := "-"
		if s.Index > 0 {
			lag = fmt.Sprint(s.Lag)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", dash(s.Name), s.ID, s.Address, serverRole(s.RaftServer), yesNo(s.Healthy),
			contact(s.RaftServer), lag, s.Gossip, diskDetail(s.Disk), levelDetail(s.Level))
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// diskDetail prints a disk's room and its slowest write, two columns.
func diskDetail(d *api.Disk) string {
	switch {
	case d == nil:
		return "-\t-"
	case d.Size == 0:
		return "-\t" + d.Slowest.Round(time.Microsecond).String()
	default:
		return size(d.Free) + "\t" + d.Slowest.Round(time.Microsecond).String()
	}
}

func levelDetail(level uint64) string {
	if level == 0 {
		return "-"
	}
	return fmt.Sprint(level)
}
