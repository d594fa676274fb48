package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/locator"
	"github.com/grafnode/grafnode/node"
)

// recovered is what operator raft recover prints as JSON.
type recovered struct {
	Was      string           `json:"was"`
	Cluster  string           `json:"cluster"`
	Index    uint64           `json:"index"`
	Term     uint64           `json:"term"`
	Revision api.Revision     `json:"revision"`
	Edges    int              `json:"edges"`
	Leases   int              `json:"leases"`
	Sessions int              `json:"sessions"`
	Nodes    int              `json:"nodes"`
	Left     []locator.NodeID `json:"left"`
	Resumed  bool             `json:"resumed"`
}

func newRecover() *cobra.Command {
	r := &remote{}
	var c node.Config
	sure := false
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Make a new cluster of one node's copy, when a majority is lost for good",
		Long: `Works on the data directory of a node whose agent is stopped. The group becomes this one node, with what it has of the registry,
under a new cluster ID. Choose the surviving node with the highest revision (grafnode status, before you stop it).

What only the lost nodes had is gone. Every revision and generation jumps ahead, so that nothing they granted is granted again.
The other nodes of the old cluster are left out for good: wipe their data directories, then start them; they join as new ones. Never
recover two nodes of one cluster: that makes two clusters.

Without --yes, says what it would do and changes nothing. It is safe to interrupt: the node does not start until recover, run
again, has finished.`,
		Example: `  systemctl stop grafnode
  grafnode operator raft recover --data-dir /var/lib/grafnode --bind 10.0.0.1:7400 --yes
  systemctl start grafnode`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.DataDir == "" || c.Bind == "" {
				return usagef("%s: --data-dir and --bind are required, as they were given to the agent (see %q)", cmd.CommandPath(), cmd.CommandPath()+" --help")
			}
			if !sure {
				return usagef("%s: would make a cluster of its own of what lies in %s, at %s, and leave all other nodes out for good; "+
					"nothing was changed: run it again with --yes", cmd.CommandPath(), c.DataDir, c.Bind)
			}
			c.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			report, err := node.Recover(c)
			if err != nil {
				return err
			}
			said := recovered{
				Was: report.Was, Cluster: report.Cluster, Index: report.Index, Term: report.Term, Revision: report.Revision,
				Edges: report.Edges, Leases: report.Leases, Sessions: report.Sessions, Nodes: report.Nodes, Left: []locator.NodeID{}, Resumed: report.Resumed,
			}
			for _, peer := range report.Left {
				said.Left = append(said.Left, peer.ID)
			}
			return r.show(cmd, said, "", func(w io.Writer) { recoveredDetail(w, said) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.DataDir, "data-dir", "", "data directory of the stopped agent (required)")
	f.StringVar(&c.Bind, "bind", "", "IP[:port] by which the other nodes will reach it, as for agent (required)")
	f.StringVar(&c.LogStore, "log-store", "auto", "as for agent")
	f.BoolVar(&sure, "yes", false, "do it")
	f.BoolVar(&r.json, "json", false, "print JSON")
	return cmd
}

func recoveredDetail(w io.Writer, r recovered) {
	left := make([]string, len(r.Left))
	for i, id := range r.Left {
		left[i] = string(id)
	}
	fmt.Fprintf(w, "cluster\t%s, before: %s\n", r.Cluster, dash(r.Was))
	fmt.Fprintf(w, "kept\tlog up to index %d of term %d\n", r.Index, r.Term)
	fmt.Fprintf(w, "revision\t%d from now on\n", r.Revision)
	fmt.Fprintf(w, "holds\t%d edges, %d leases, %d sessions, %d nodes\n", r.Edges, r.Leases, r.Sessions, r.Nodes)
	fmt.Fprintf(w, "left out\t%s\n", dash(strings.Join(left, ", ")))
	fmt.Fprintf(w, "next\tstart this agent; wipe the others' data directories and start them: they join as new nodes\n")
}
