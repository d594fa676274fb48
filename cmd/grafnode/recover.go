package main

import (
	"errors"
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
under a new cluster ID. Run it without --yes on each survivor: it says what that one would keep, and changes nothing. Choose the one
whose log ends in the highest term and, of those, at the highest index.

What only the lost nodes had is gone. Every revision and generation jumps ahead, so that nothing they granted is granted again.
The other nodes of the old cluster are left out for good: wipe their data directories, then start them; they join as new ones. Never
recover two nodes of one cluster: that makes two clusters.

Run by root, it acts as the owner of the data directory. It is safe to interrupt: the node does not start until recover, run again, has finished.`,
		Example: `  systemctl stop grafnode
  grafnode operator raft recover --data-dir /var/lib/grafnode --bind 10.0.0.1:7400
  grafnode operator raft recover --data-dir /var/lib/grafnode --bind 10.0.0.1:7400 --yes
  systemctl start grafnode`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.DataDir == "" || c.Bind == "" {
				return usagef("%s: --data-dir and --bind are required, as they were given to the agent (see %q)", cmd.CommandPath(), cmd.CommandPath()+" --help")
			}
			if err := actAsOwner(c.DataDir); err != nil {
				return err
			}
			return recoverRegistry(cmd, r, c, sure)
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

// recoverRegistry does it, if the user is sure, or says what it would do.
func recoverRegistry(cmd *cobra.Command, r *remote, c node.Config, sure bool) error {
	c.Logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	do := node.Recover
	if !sure {
		do = node.SurveyRecovery
	}
	report, err := do(c)
	if err != nil {
		return err
	}
	said := recoveredOf(report)
	if err := r.show(cmd, said, "", func(w io.Writer) { recoveredDetail(w, said, sure) }); err != nil || sure {
		return err
	}
	return errors.New("nothing was changed: run it again with --yes, on the survivor whose log ends in the highest term and at the " +
		"highest index, and on no other")
}

func recoveredOf(r node.RecoverReport) recovered {
	said := recovered{
		Was: r.Was, Cluster: r.Cluster, Index: r.Index, Term: r.Term, Revision: r.Revision, Edges: r.Edges, Leases: r.Leases,
		Sessions: r.Sessions, Nodes: r.Nodes, Left: []locator.NodeID{}, Resumed: r.Resumed,
	}
	for _, peer := range r.Left {
		said.Left = append(said.Left, peer.ID)
	}
	return said
}

// recoveredDetail prints what was done or, if it was not, what would be.
func recoveredDetail(w io.Writer, r recovered, done bool) {
	kept, next := "kept", "start this agent; wipe the others' data directories and start them: they join as new nodes"
	if !done {
		kept, next = "would keep", "the same with --yes, on one survivor only"
	}
	left := make([]string, len(r.Left))
	for i, id := range r.Left {
		left[i] = string(id)
	}
	fmt.Fprintf(w, "cluster\t%s, before: %s\n", r.Cluster, dash(r.Was))
	fmt.Fprintf(w, "%s\tlog up to term %d, index %d\n", kept, r.Term, r.Index)
	fmt.Fprintf(w, "revision\t%d from now on\n", r.Revision)
	fmt.Fprintf(w, "holds\t%d edges, %d leases, %d sessions, %d nodes\n", r.Edges, r.Leases, r.Sessions, r.Nodes)
	fmt.Fprintf(w, "left out\t%s\n", dash(strings.Join(left, ", ")))
	fmt.Fprintf(w, "next\t%s\n", next)
}
