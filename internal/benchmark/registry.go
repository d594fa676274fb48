package benchmark

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grafnode/grafnode/internal/benchmark/figures"
	"github.com/grafnode/grafnode/internal/proc"
)

// Config says what to measure. Zero values mean the defaults.
type Config struct {
	Exe     string             // this program, which is started again as an agent and as clients
	Against string             // the peer: Etcd, or nobody
	Peers   string             // directory with the peer's programs
	Dir     string             // a directory for the servers' files is made in it and removed; default the system's temporary one
	Runs    int                // default 5
	Cases   []string           // default all
	For     time.Duration      // of one measurement; default 2 s
	Warm    time.Duration      // before each; default 500 ms
	Agent   []string           // further arguments for our agents
	Each    func(figures.Line) // is called with each case's figures when they are there
	Log     io.Writer          // gets a line for each run
}

func (c Config) withDefaults() Config {
	c.Runs, c.For, c.Warm = cmp.Or(c.Runs, 5), cmp.Or(c.For, 2*time.Second), cmp.Or(c.Warm, 500*time.Millisecond)
	if len(c.Cases) == 0 {
		c.Cases = Cases()
	}
	return c
}

// ErrUsage says that the configuration cannot be used.
var ErrUsage = errors.New("cannot measure that")

func (c Config) validate() error {
	for _, name := range c.Cases {
		if !slices.Contains(Cases(), name) {
			return fmt.Errorf("%w: no case %q; there are %s", ErrUsage, name, strings.Join(Cases(), ", "))
		}
	}
	if c.Against != "" && c.Against != Etcd {
		return fmt.Errorf("%w: no peer %q; there is %s", ErrUsage, c.Against, Etcd)
	}
	if c.Runs < 1 {
		return fmt.Errorf("%w: %d runs", ErrUsage, c.Runs)
	}
	return nil
}

// Registry measures and returns a line for each case, in order. It takes about three seconds a run, side and case, and several
// more for each leader that is killed. Everything that it started has gone when it returns.
func Registry(ctx context.Context, c Config) (lines []figures.Line, err error) {
	c = c.withDefaults()
	if err := c.validate(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(c.Dir, "grafnode-bench-")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	sockets, err := os.MkdirTemp("", "grafnode-bench-") // Dir's path may be too long for a socket's
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	launcher := proc.NewLauncher()
	defer func() {
		launcher.Close() // before what its processes write to goes
		err = errors.Join(err, os.RemoveAll(dir), os.RemoveAll(sockets))
	}()
	b := &bench{c: c, dir: dir, sockets: sockets}
	if err := b.start(ctx, launcher); err != nil {
		return nil, err
	}
	for _, name := range c.Cases {
		line, err := b.measure(ctx, name)
		if err != nil {
			return lines, fmt.Errorf("%s: %w", name, errors.Join(context.Cause(ctx), err))
		}
		lines = append(lines, line)
		if c.Each != nil {
			c.Each(line)
		}
	}
	return lines, nil
}

// bench is both sides, running.
type bench struct {
	c       Config
	dir     string
	sockets string
	sides   []*cluster // ours, and the peer's if there is one
	turns   int        // to give each task's records a name of their own
}

func (b *bench) start(ctx context.Context, l *proc.Launcher) error {
	us, err := ours(l, b.c.Exe, b.dir, b.sockets, b.c.Agent)
	if err != nil {
		return err
	}
	b.sides = []*cluster{us}
	if b.c.Against == Etcd {
		them, err := etcd(l, b.c.Peers, b.dir)
		if err != nil {
			return err
		}
		b.sides = append(b.sides, them)
	} else {
		b.logf("no peers: $%s is not set, so these are our own figures alone", PeersEnv)
	}
	for _, side := range b.sides {
		b.logf("starting %d servers of %s", nodes, side.side)
		if err := side.start(ctx); err != nil {
			return fmt.Errorf("start %s: %w", side.side, err)
		}
	}
	return nil
}

func (b *bench) logf(format string, args ...any) {
	if b.c.Log != nil {
		fmt.Fprintf(b.c.Log, format+"\n", args...)
	}
}

// inTurns calls f n times for each side.
func (b *bench) inTurns(ctx context.Context, n int, f func(context.Context, *cluster) (figures.Figure, error)) ([]figures.Pair, error) {
	measure := func(side *cluster) func() (figures.Figure, error) {
		return func() (figures.Figure, error) {
			b.turns++
			got, err := f(ctx, side)
			if err != nil {
				return got, fmt.Errorf("%s: %w", side.side, err)
			}
			return got, nil
		}
	}
	var theirs func() (figures.Figure, error)
	if len(b.sides) > 1 {
		theirs = measure(b.sides[1])
	}
	return figures.InTurns(n, measure(b.sides[0]), theirs)
}

// pause waits, or returns why ctx has ended.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
