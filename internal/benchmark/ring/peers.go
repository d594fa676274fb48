package ring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/cpeer"
	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/benchmark/party"
)

// peer is what ours is measured beside.
type peer interface {
	name() string
	// prepare gets ready for a case, and says how; errNothing if the peer has no such thing.
	prepare(context.Context, testcase) (setting string, err error)
	// measure measures the case once.
	measure(context.Context, testcase) (figures.Figure, error)
}

// The peers.
const (
	peerCRing = "c-ring"
	peerFutex = "futex"
)

// Peers returns the names of all peers.
func Peers() []string { return []string{peerCRing, peerFutex} }

// DefaultPeers returns the peers that every machine with a C compiler has.
func DefaultPeers() []string { return []string{peerCRing, peerFutex} }

func (b *bench) openPeers(ctx context.Context) ([]peer, error) {
	var peers []peer
	var built *cpeer.Programs
	for _, name := range b.c.Against {
		switch name {
		case peerCRing, peerFutex:
			if built == nil {
				p, err := cpeer.Build(ctx, b.dir)
				if errors.Is(err, cpeer.ErrNoCompiler) {
					err = fmt.Errorf("%w: %w", ErrUsage, err)
				}
				if err != nil {
					return nil, err
				}
				built = &p
			}
			if name == peerCRing {
				peers = append(peers, &cRing{b: b, programs: *built})
			} else {
				peers = append(peers, &futex{b: b, program: built.Futex})
			}
		}
	}
	return peers, nil
}

// cRing is the minimal ring in C.
type cRing struct {
	b        *bench
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

func (r *cRing) name() string { return peerCRing }

// prepare tries every layout and size and takes the fastest.
func (r *cRing) prepare(ctx context.Context, c testcase) (string, error) {
	if c.parked() {
		return "", errNothing // it can only spin
	}
	var best float64
	for _, l := range r.layouts() {
		f, err := r.run(ctx, c, l, r.b.c.For/4)
		if err != nil {
			return "", err
		}
		r.b.log(c, peerCRing, f, "trial: "+l.String())
		if c.latency {
			f.Value = 1 / f.Value
		}
		if f.Value > best {
			best, r.chosen = f.Value, l
		}
	}
	return r.chosen.String(), nil
}

func (r *cRing) measure(ctx context.Context, c testcase) (figures.Figure, error) {
	return r.run(ctx, c, r.chosen, r.b.c.For)
}

func (r *cRing) run(ctx context.Context, c testcase, l layout, d time.Duration) (figures.Figure, error) {
	send, read := "send", "read"
	if c.latency {
		send, read = "ping", "pong"
	}
	return r.b.c2(ctx, c, d, l.program, l.capacity, 2*(cpeer.PageBytes+l.capacity), send, read)
}

// c2 runs two processes of a C program that share memory.
func (b *bench) c2(ctx context.Context, c testcase, d time.Duration, program string, capacity, bytes int, first, second string) (f figures.Figure, err error) {
	memory, err := party.Memory(bytes)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	l := c.load(b.c)
	l.For = d
	process := func(role string, cpus []int) party.Process {
		return party.Process{Name: role, Path: program, CPUs: cpus, Files: []*os.File{memory}, Args: []string{role, strconv.Itoa(capacity),
			strconv.Itoa(l.Bytes), strconv.FormatInt(l.Warm.Nanoseconds(), 10), strconv.FormatInt(l.For.Nanoseconds(), 10)}}
	}
	result, err := b.rig.Run(ctx, l, []party.Process{process(first, b.cores.First), process(second, b.cores.Second)}, nil)
	return c.figure(result), err
}

// futex is two processes that wake each other and do nothing else.
type futex struct {
	b       *bench
	program string
}

func (f *futex) name() string { return peerFutex }

func (f *futex) prepare(_ context.Context, c testcase) (string, error) {
	if !c.latency || !c.parked() {
		return "", errNothing
	}
	return "FUTEX_WAIT and FUTEX_WAKE on a word each way, in C", nil
}

func (f *futex) measure(ctx context.Context, c testcase) (figures.Figure, error) {
	return f.b.c2(ctx, c, f.b.c.For, f.program, 0, cpeer.PageBytes, "ping", "pong")
}
