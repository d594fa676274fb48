package benchmark

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/grafnode/grafnode/client"
	"github.com/grafnode/grafnode/internal/proc"
)

// LoadVerb is the hidden verb with which this package starts its own program as a process of clients.
const LoadVerb = "bench-load"

// ours returns three agents with all their settings at the defaults, but for the extra arguments.
func ours(l *proc.Launcher, exe, dir, sockets string, extra []string) (*cluster, error) {
	c := &cluster{side: "grafnode", launcher: l, client: proc.Spec{
		Name: "grafnode-load", Path: exe, Args: []string{LoadVerb}, Log: logFile(dir, "grafnode-load"),
	}}
	ports := make([]int, nodes)
	addresses := make([]string, nodes)
	for i := range ports {
		var err error
		if ports[i], err = freePair(); err != nil {
			return nil, err
		}
		addresses[i] = local(ports[i])
	}
	for i, address := range addresses {
		name := fmt.Sprintf("grafnode-%d", i+1)
		socket := filepath.Join(sockets, fmt.Sprintf("%d.sock", i+1))
		m := &member{target: socket, spec: proc.Spec{
			Name: name, Path: exe, Log: logFile(dir, name), Args: append([]string{
				"agent", "--name", name, "--zone", fmt.Sprintf("zone-%d", i+1), "--bind", address,
				"--socket", socket, "--data-dir", filepath.Join(dir, name),
				"--join", strings.Join(addresses, ","), "--bootstrap-expect", fmt.Sprint(nodes),
			}, extra...),
		}}
		a, err := client.NewAPI(address, client.APIConfig{})
		if err != nil {
			return nil, err
		}
		m.status = func(ctx context.Context) (status, error) {
			s, err := a.Status(ctx)
			return status{ready: err == nil && s.Ready, leads: s.State == "leader"}, err
		}
		c.members = append(c.members, m)
	}
	return c, nil
}
