package wire

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/grafnode/grafnode/api"
	"github.com/grafnode/grafnode/fabric"
	"github.com/grafnode/grafnode/fabric/shm"
	"github.com/grafnode/grafnode/fabric/tcp"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// ours is grafnode: fabric/tcp to the node, fabric/shm from there.
type ours struct{ b *suite.Bench }

func (o *ours) Name() string { return "grafnode" }

// Prepare says where the parties run.
func (o *ours) Prepare(context.Context, suite.Case) (string, error) { return placement, nil }

// Measure measures a case once.
func (o *ours) Measure(ctx context.Context, c suite.Case) (f figures.Figure, err error) {
	line, err := party.NewLine(o.b.Dir)
	if err != nil {
		return f, err
	}
	defer line.Close()
	arena, err := party.Arena(c.Capacity)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, arena.Close()) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return f, err
	}
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	go func() { served <- serve(ctx, listener, arena) }()
	defer func() {
		cancel()
		listener.Close()
		if e := <-served; err == nil {
			err = e
		}
	}()
	l := o.b.Load(c)
	attach := tcp.Attach{Address: listener.Addr().String(), Hello: tcp.Hello{Edge: party.Edge, Generation: party.Generation,
		Arena: arena.Config().Arena, Session: "bench", Token: "bench"}}
	result, err := o.b.Rig.Run(ctx, l, []party.Process{
		o.child("consumer", Task{Task: taskRead, Load: l, Mode: c.Mode}, line),
		o.child("producer", Task{Task: taskSend, Load: l, Mode: c.Mode, Attach: attach}, nil),
	}, func(ctx context.Context) error {
		return party.Hand(ctx, party.Grant{Line: line, Arena: arena, Role: fabric.RoleConsumer})
	})
	return c.Figure(result), err
}

// serve is the node: it serves one connection.
func serve(ctx context.Context, l net.Listener, arena *shm.Arena) error {
	conn, err := l.Accept()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	preface := make([]byte, len(api.PrefaceData))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return errors.Join(err, conn.Close())
	}
	return tcp.Serve(ctx, conn, resolver{arena})
}

// resolver has one ring, for everybody.
type resolver struct{ arena *shm.Arena }

// Resolve implements tcp.Resolver.
func (r resolver) Resolve(context.Context, tcp.Hello) (fabric.Arena, error) { return r.arena, nil }
