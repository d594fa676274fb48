package ring

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// linked is a peer whose processes each have a flow.Link.
type linked struct {
	b       *suite.Bench
	name    string
	program string
	verb    []string // before the role
	setting string
	address func() (string, error) // for the next pair of processes
}

func (p *linked) Name() string { return p.name }

// Prepare says how the peer is set up. None of these can spin: what waits, sleeps, so a case in which both sides spin has nothing
// to compare with.
func (p *linked) Prepare(_ context.Context, c suite.Case) (string, error) {
	if c.Latency && !parked(c) {
		return "", suite.ErrNothing
	}
	return p.setting, nil
}

func (p *linked) Measure(ctx context.Context, c suite.Case) (f figures.Figure, err error) {
	address, err := p.address()
	if err != nil {
		return f, err
	}
	first, second := flow.RoleSend, flow.RoleRead
	if c.Latency {
		first, second = flow.RolePing, flow.RolePong
	}
	l := p.b.Load(c)
	process := func(role string, cpus []int) party.Process {
		args := append(append([]string(nil), p.verb...), flow.Args(role, address, l)...)
		return party.Process{Name: role, Path: p.program, Args: args, CPUs: cpus}
	}
	result, err := p.b.Rig.Run(ctx, l, []party.Process{process(second, p.b.Cores.Second), process(first, p.b.Cores.First)}, nil)
	return c.Figure(result), errors.Join(err, p.sweep())
}

// sweep removes what processes that were killed have left of their sockets.
func (p *linked) sweep() error {
	left, err := filepath.Glob(filepath.Join(p.b.Dir, "*.sock*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	return err
}

// socketAddress returns a new address for flow.Socket.
func socketAddress(network, dir string) (string, error) {
	if network == peerUnix {
		return "unix:" + filepath.Join(dir, "link.sock"), nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // to find a port that is free
	if err != nil {
		return "", err
	}
	return "tcp:" + l.Addr().String(), l.Close()
}
