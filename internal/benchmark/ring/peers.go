package ring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/cpeer"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/party"
	"github.com/grafnode/grafnode/internal/benchmark/suite"
)

// The peers.
const (
	peerCRing  = "c-ring"
	peerFutex  = "futex"
	peerUnix   = "unix"
	peerTCP    = "tcp"
	peerShmipc = "shmipc-go"
	peerAeron  = "aeron"
)

func open(ctx context.Context, b *suite.Bench, name string) (suite.Side, error) {
	switch name {
	case peerUnix, peerTCP:
		return &linked{b: b, name: name, program: b.Exe, verb: []string{Verb}, setting: "Go, a write each batch",
			address: func() (string, error) { return socketAddress(name, b.Dir) }}, nil
	case peerAeron:
		return openAeron(ctx, b)
	case peerShmipc:
		program, err := b.Program("shmipc")
		return &linked{b: b, name: name, program: program, setting: "v0.2.0, a flush each batch",
			address: func() (string, error) { return filepath.Join(b.Dir, "shmipc.sock"), nil }}, err
	}
	programs, err := cpeer.Build(ctx, b.Dir)
	switch {
	case errors.Is(err, cpeer.ErrNoCompiler):
		return nil, fmt.Errorf("%w: %w", suite.ErrUsage, err)
	case err != nil:
		return nil, err
	case name == peerFutex:
		return &futex{b: b, program: programs.Futex}, nil
	}
	return &cRing{b: b, programs: programs}, nil
}

// cRing is the minimal ring in C.
type cRing struct {
	b        *suite.Bench
	programs cpeer.Programs
	chosen   layout
}

// layout is a way to build that ring.
type layout struct {
	program  string
	commits  string
	capacity int
}

func (l layout) String() string {
	return fmt.Sprintf("%s, %d KiB, spinning", l.commits, l.capacity>>10)
}

func (r *cRing) layouts() []layout {
	var all []layout
	for capacity := 64 << 10; capacity <= 4<<20; capacity *= 4 {
		all = append(all, layout{r.programs.RingTail, "shared tail word", capacity},
			layout{r.programs.RingInPlace, "length word in place", capacity})
	}
	return all
}

func (r *cRing) Name() string { return peerCRing }

// prepare tries every layout and size and takes the fastest.
func (r *cRing) Prepare(ctx context.Context, c suite.Case) (string, error) {
	if parked(c) {
		return "", suite.ErrNothing // it can only spin
	}
	var best float64
	for _, l := range r.layouts() {
		f, err := r.run(ctx, c, l, r.b.For/4)
		if err != nil {
			return "", err
		}
		r.b.Note(c, peerCRing, f, "trial: "+l.String())
		if c.Latency {
			f.Value = 1 / f.Value
		}
		if f.Value > best {
			best, r.chosen = f.Value, l
		}
	}
	return r.chosen.String(), nil
}

func (r *cRing) Measure(ctx context.Context, c suite.Case) (figures.Figure, error) {
	return r.run(ctx, c, r.chosen, r.b.For)
}

func (r *cRing) run(ctx context.Context, c suite.Case, l layout, d time.Duration) (figures.Figure, error) {
	send, read := "send", "read"
	if c.Latency {
		send, read = "ping", "pong"
	}
	return cPair(ctx, r.b, c, d, l.program, l.capacity, 2*(cpeer.PageBytes+l.capacity), send, read)
}

// cPair runs two processes of a C program that share memory.
func cPair(ctx context.Context, b *suite.Bench, c suite.Case, d time.Duration, program string, capacity, bytes int, first, second string) (f figures.Figure, err error) {
	memory, err := party.Memory(bytes)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	l := b.Load(c)
	l.For = d
	process := func(role string, cpus []int) party.Process {
		return party.Process{Name: role, Path: program, CPUs: cpus, Files: []*os.File{memory}, Args: []string{role, strconv.Itoa(capacity),
			strconv.Itoa(l.Bytes), strconv.FormatInt(l.Warm.Nanoseconds(), 10), strconv.FormatInt(l.For.Nanoseconds(), 10)}}
	}
	result, err := b.Rig.Run(ctx, l, []party.Process{process(first, b.Cores.First), process(second, b.Cores.Second)}, nil)
	return c.Figure(result), err
}

// futex is two processes that wake each other and do nothing else.
type futex struct {
	b       *suite.Bench
	program string
}

func (f *futex) Name() string { return peerFutex }

func (f *futex) Prepare(_ context.Context, c suite.Case) (string, error) {
	if !c.Latency || !parked(c) {
		return "", suite.ErrNothing
	}
	return "FUTEX_WAIT and FUTEX_WAKE on a word each way, in C", nil
}

func (f *futex) Measure(ctx context.Context, c suite.Case) (figures.Figure, error) {
	return cPair(ctx, f.b, c, f.b.For, f.program, 0, cpeer.PageBytes, "ping", "pong")
}
