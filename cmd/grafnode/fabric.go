package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/grafnode/grafnode/fabric/rdma/ibverbs"
	"github.com/grafnode/grafnode/internal/adapter"
	"github.com/grafnode/grafnode/node"
)

func newFabric() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fabric",
		Short: "What this host can carry edges with",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newFabricProbe())
	return cmd
}

func newFabricProbe() *cobra.Command {
	r := &remote{} // for how it shows; nobody is asked
	need := memory(node.MemoryDefault)
	var root string
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "RDMA adapters of this host, and what would have to change to use them",
		Long: `Lists the RDMA adapters of this host with their ports and addresses, the library that speaks to them, and how much memory may be
locked, and says what would have to change for edges to use them. It reads what the kernel shows, asks adapters that it can open how much they write
at once, changes nothing, and needs no node.
Run it as the node's user: rights and limits are those of whoever runs it.

Exit status: 0 ready, 3 not.`,
		Example: `  grafnode fabric probe
  grafnode fabric probe --memory 4GiB --json | jq -r '.problems[].mend'`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(root); err != nil {
				return usagef("%s: --root: %w", cmd.CommandPath(), err)
			}
			host := adapter.Here(root)
			host.Need, host.Built = uint64(need), ibverbs.Built
			report := adapter.Probe(host)
			if root == "/" {
				ibverbs.Ask(&report)
			}
			if err := r.show(cmd, report, "", func(w io.Writer) { probeDetail(w, report) }); err != nil {
				return err
			}
			if !report.Ready {
				return unhealthyError{whats(report.Problems)}
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&r.json, "json", false, "print JSON")
	cmd.Flags().Var(&need, "memory", "what the node lends for rings, all of which may have to be locked")
	cmd.Flags().StringVar(&root, "root", "/", "where the host's files are, for a container that has them elsewhere")
	return cmd
}

func whats(problems []adapter.Problem) (all []string) {
	for _, p := range problems {
		all = append(all, p.What)
	}
	return all
}

func probeDetail(w io.Writer, r adapter.Report) {
	fmt.Fprintf(w, "RDMA\t%s\n", map[bool]string{true: "ready", false: "not ready"}[r.Ready])
	fmt.Fprintf(w, "library\t%s\n", dash(r.Library))
	fmt.Fprintf(w, "its drivers\t%s\n", dash(strings.Join(r.Drivers, " ")))
	fmt.Fprintf(w, "kernel modules\t%s\n", dash(strings.Join(r.Modules, " ")))
	lock := size(r.Locked.Bytes)
	if r.Locked.Unlimited {
		lock = "any amount"
	}
	fmt.Fprintf(w, "memory to lock\t%s\n", lock)
	for _, a := range r.Adapters {
		adapterDetail(w, a)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(w, "\nproblem\t%s\nmend\t%s\n", p.What, p.Mend)
	}
}

func adapterDetail(w io.Writer, a adapter.Adapter) {
	kind := a.Type
	if a.Software {
		kind += ", played by the kernel: right, not fast"
	}
	fmt.Fprintf(w, "\nadapter\t%s (%s)\n", a.Name, kind)
	fmt.Fprintf(w, "firmware\t%s\n", dash(a.Firmware))
	device := dash(a.Device)
	if a.Denied != "" {
		device += ": " + a.Denied
	}
	fmt.Fprintf(w, "device\t%s\n", device)
	for _, p := range a.Ports {
		fmt.Fprintf(w, "port %d\t%s, %s, %s, %s, interface %s, MTU %d", p.Number, dash(p.State), dash(p.Physical), dash(p.Link), dash(p.Rate),
			dash(p.Interface), p.MTU)
		if p.WriteMax > 0 {
			fmt.Fprintf(w, ", writes of at most %s", size(p.WriteMax))
		}
		fmt.Fprintln(w)
		for _, g := range p.GIDs {
			fmt.Fprintf(w, "  address %d\t%s, %s\n", g.Index, g.Address, dash(g.Type))
		}
	}
}
