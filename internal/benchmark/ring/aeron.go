package ring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/grafnode/grafnode/internal/benchmark/cpeer"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// aeron is Aeron IPC: two clients in C, and the media driver, whose part is to clean and to move the limits.
type aeron struct {
	b               *suite.Bench
	driver, program string
}

// openAeron looks for Aeron's media driver and builds the clients, where Aeron is installed.
func openAeron(ctx context.Context, b *suite.Bench) (suite.Side, error) {
	driver, err := exec.LookPath("aeronmd")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", suite.ErrAbsent, err)
	}
	program, err := cpeer.BuildAeron(ctx, b.Dir)
	if err != nil {
		return nil, fmt.Errorf("%w: its C client: %w", suite.ErrAbsent, err)
	}
	return &aeron{b, driver, program}, nil
}

func (a *aeron) Name() string { return peerAeron }

func (a *aeron) Prepare(_ context.Context, c suite.Case) (string, error) {
	if parked(c) {
		return "", suite.ErrNothing // there is nothing in it that would wake anybody
	}
	return "C, term of 4 MiB, not sparse, exclusive publication, claimed in place, spinning; the driver has one thread on any core, which sleeps when idle", nil
}

// memoryDir is where Aeron's files belong: in memory, not on a disk.
const memoryDir = "/dev/shm"

func (a *aeron) Measure(ctx context.Context, c suite.Case) (f figures.Figure, err error) {
	dir := filepath.Join(memoryDir, filepath.Base(a.b.Dir)+"-aeron")
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	first, second := "send", "read"
	if c.Latency {
		first, second = "ping", "pong"
	}
	l := a.b.Load(c)
	client := func(role string, cpus []int) party.Process {
		return party.Process{Name: role, Path: a.program, CPUs: cpus, Args: []string{role, dir, strconv.Itoa(l.Bytes),
			strconv.FormatInt(l.Warm.Nanoseconds(), 10), strconv.FormatInt(l.For.Nanoseconds(), 10)}}
	}
	result, err := a.b.Rig.Run(ctx, l, []party.Process{
		{Name: "aeronmd", Path: a.driver, Serves: true, Args: []string{"-Daeron.dir=" + dir, "-Daeron.threading.mode=SHARED",
			"-Daeron.shared.idle.strategy=sleep-ns", // its default starves beside two clients that spin on two processors
			"-Daeron.term.buffer.sparse.file=false"}},
		client(second, a.b.Cores.Second), client(first, a.b.Cores.First),
	}, nil)
	return c.Figure(result), err
}
