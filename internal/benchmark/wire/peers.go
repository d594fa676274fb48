package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/grafnode/grafnode/internal/benchmark/cpeer"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// The peers.
const (
	peerTCP  = "tcp"
	peerNATS = "nats"
)

func open(ctx context.Context, b *suite.Bench, name string) (suite.Side, error) {
	if name == peerNATS {
		return openNATS(b)
	}
	programs, err := cpeer.Build(ctx, b.Dir)
	if errors.Is(err, cpeer.ErrNoCompiler) {
		return nil, fmt.Errorf("%w: %w", suite.ErrUsage, err)
	}
	return &rawTCP{b: b, program: programs.Wire}, err
}

// rawTCP is the least that must be done, in C: a sender, a receiver that checks and copies, a reader.
type rawTCP struct {
	b       *suite.Bench
	program string
}

func (r *rawTCP) Name() string { return peerTCP }

func (r *rawTCP) Prepare(_ context.Context, c suite.Case) (string, error) {
	return fmt.Sprintf("in C: %d records a write, CRC32C checked, copied at once into a ring of %d KiB that a third process reads, sleeping when idle",
		c.Batch, c.Capacity>>10), nil
}

func (r *rawTCP) Measure(ctx context.Context, c suite.Case) (f figures.Figure, err error) {
	memory, err := party.Memory(cpeer.PageBytes + c.Capacity)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	listener, port, err := listen()
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, listener.Close()) }()
	l := r.b.Load(c)
	process := func(role string, more ...string) party.Process {
		return party.Process{Name: role, Path: r.program, Files: []*os.File{memory, listener}, Args: append([]string{role, strconv.Itoa(c.Capacity),
			strconv.Itoa(l.Bytes), strconv.FormatInt(l.Warm.Nanoseconds(), 10), strconv.FormatInt(l.For.Nanoseconds(), 10), strconv.Itoa(l.Batch)}, more...)}
	}
	result, err := r.b.Rig.Run(ctx, l, []party.Process{process("read"), process("receive"), process("send", strconv.Itoa(port))}, nil)
	return c.Figure(result), err
}

// listen returns a listening socket for a process to inherit, blocking, and its port.
func listen() (*os.File, int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, 0, err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	return f, l.Addr().(*net.TCPAddr).Port, err
}
