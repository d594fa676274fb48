package wire

import (
	"context"
	"errors"
	"net"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/flow"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// natsCore is NATS core: a publisher, the server, a subscriber.
type natsCore struct {
	b            *suite.Bench
	server, load string
}

func openNATS(b *suite.Bench) (suite.Side, error) {
	server, err := b.Program("nats-server")
	if err != nil {
		return nil, err
	}
	load, err := b.Program("nats-load")
	return &natsCore{b, server, load}, err
}

func (n *natsCore) Name() string { return peerNATS }

func (n *natsCore) Prepare(context.Context, suite.Case) (string, error) {
	return "v2.15.2, core publish to subscribe; the client writes when it likes; 8 MiB on their way at most", nil
}

func (n *natsCore) Measure(ctx context.Context, c suite.Case) (figures.Figure, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // to find a port that is free
	if err != nil {
		return figures.Figure{}, err
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return figures.Figure{}, err
	}
	load := n.b.Load(c)
	end := func(role string) party.Process {
		return party.Process{Name: role, Path: n.load, Args: flow.Args(role, "nats://"+net.JoinHostPort(host, port), load)}
	}
	result, err := n.b.Rig.Run(ctx, load, []party.Process{
		{Name: "nats-server", Path: n.server, Args: []string{"--addr", host, "--port", port}, Serves: true},
		end(flow.RoleRead), end(flow.RoleSend),
	}, nil)
	return c.Figure(result), err
}
